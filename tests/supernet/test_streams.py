"""Sets of streams in a supernet: one at a time, weights shared, each as good as a network of its own."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from autofi.errors import InvalidArchitectureError
from autofi.metrics.ranking import logloss
from autofi.supernet.batchnorm_recalibration import recalibrate
from autofi.supernet.fold_supernets import FoldSupernet, PathSupernets
from autofi.supernet.inherited_evaluator import InheritedEvaluator
from autofi.supernet.path_training import train_by_paths
from autofi.supernet.supernet import Supernet, chosen
from tests.supernet.tables import FIELDS, PAIRS, Table, cell_table, make_supernet, slots_with

NAIVE = ((),)
NORMED = {"two_streams": {"first": [6], "second": [5], "batch_norm": True, "heads": 1, "gates": [4]}}
SETS = [{}, {"fm": {}}, {"cross_network": {"layers": 1}, "fm": {}}, NORMED]
SLOTS = slots_with(((), ("factorize_hadamard",)))


@pytest.fixture(scope="module")
def table() -> Table:
    return cell_table(3000, dict.fromkeys(PAIRS, 0.7))


@pytest.fixture
def supernet(table: Table) -> Supernet:
    return make_supernet(table, SLOTS, streams=SETS)


def scores(supernet: Supernet, table: Table) -> torch.Tensor:
    supernet.eval()
    with torch.no_grad():
        return supernet(supernet.select(table.features))


def test_equal_streams_of_two_sets_are_one(supernet: Supernet) -> None:
    assert len(supernet.streams) == 3
    assert supernet.stream_sets[1][0] == supernet.stream_sets[2][1]
    assert not make_supernet(cell_table(10, {}), SLOTS).streams


@pytest.mark.parametrize("number", range(len(SETS)))
def test_a_chosen_set_is_what_is_extracted(supernet: Supernet, table: Table, number: int) -> None:
    layout = chosen(SLOTS, [0] * FIELDS + [1, 0] * 3)
    supernet.activate(layout)
    supernet.choose_streams(number)
    expected = scores(supernet, table)
    small = supernet.keep(layout)
    assert sorted(small.streams) == sorted(SETS[number])
    small.eval()
    with torch.no_grad():
        torch.testing.assert_close(small(small.select(table.features)), expected)


def test_no_set_is_chosen_before_one_is(supernet: Supernet, table: Table) -> None:
    plain = scores(supernet, table)
    supernet.choose_streams(1)
    assert not torch.equal(scores(supernet, table), plain)
    supernet.choose_streams(None)
    assert torch.equal(scores(supernet, table), plain)


def test_chosen_streams_keep_the_vectors_they_read(supernet: Supernet) -> None:
    layout = chosen(SLOTS, [0] * len(SLOTS))
    layout["embedding"] = layout["embedding"][1:]
    supernet.keep(layout)
    supernet.choose_streams(1)
    with pytest.raises(InvalidArchitectureError, match="streams fm would lack fields"):
        supernet.keep(layout)


def test_recalibrated_statistics_are_those_of_the_rows(supernet: Supernet, table: Table) -> None:
    rows = table.rows(supernet)
    supernet.choose_streams(3)
    norms = [m for m in supernet.modules() if isinstance(m, torch.nn.BatchNorm1d)]
    seen: list[torch.Tensor] = []
    hook = norms[0].register_forward_hook(lambda module, given, _: seen.append(given[0].detach()))
    recalibrate(supernet, rows, torch.arange(0, 3000, 2))
    hook.remove()
    read = torch.cat(seen).double()
    assert len(read) == 1500
    assert norms[0].running_mean is not None and norms[0].running_var is not None
    torch.testing.assert_close(norms[0].running_mean.double(), read.mean(0), rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(norms[0].running_var.double(), read.var(0), rtol=1e-3, atol=1e-6)
    assert all(norm.momentum == 0.1 and not norm.training for norm in norms)


def test_what_other_paths_left_behind_does_not_matter(supernet: Supernet, table: Table) -> None:
    rows, index = table.rows(supernet), torch.arange(3000)
    supernets = PathSupernets(
        (FoldSupernet(supernet, index[:2000], index[2000:]),), rows, table.labels.numpy()
    )
    layout = chosen(SLOTS, [0] * len(SLOTS))
    first = supernets.inherited(layout, 3)
    for norm in supernet.modules():
        if isinstance(norm, torch.nn.BatchNorm1d) and norm.running_mean is not None:
            norm.running_mean += 5.0
    np.testing.assert_allclose(supernets.inherited(layout, 3), first)


def test_streams_are_trained_in_turn_and_ranked(table: Table) -> None:
    """Every pair matters and none is offered: only a stream that multiplies fields can explain the clicks."""
    supernet = make_supernet(table, slots_with(NAIVE), streams=[{}, {"linear": {}}, {"ffm": {"dim": 8}}])
    rows, index = table.rows(supernet), torch.arange(3000)
    before = {key: value.clone() for key, value in supernet.streams.state_dict().items()}
    train_by_paths(
        supernet,
        rows,
        index=index[:2400],
        epochs=12,
        learning_rate=2e-2,
        embedding_l2=1e-4,
        batch_size=100,
        generator=torch.Generator().manual_seed(0),
    )
    assert all(not torch.equal(before[key], value) for key, value in supernet.streams.state_dict().items())
    fold = FoldSupernet(supernet, index[:2400], index[2400:])
    supernets = PathSupernets((fold,), rows, table.labels.numpy())
    start = (0,) * len(supernet.choices)
    ranking = InheritedEvaluator(supernets, start, seed=0).rank_streams(start)
    layout = chosen(supernet.choices, start)
    losses = [logloss(supernets.truth, supernets.inherited(layout, number)) for number in range(3)]
    assert ranking[0] == 2
    assert ranking == sorted(range(3), key=losses.__getitem__)
