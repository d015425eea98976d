"""Training by paths draws options by their shares and moves nothing that is not on the path."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from autofi.metrics.ranking import logloss
from autofi.supernet.path_sampling import NAIVE_SHARE, option_shares
from autofi.supernet.path_training import GROUP_ROWS, train_by_paths
from autofi.supernet.supernet import Slot, Supernet
from autofi.training.predict import predict
from autofi.training.row_source import Rows
from tests.supernet.tables import FIELDS, PAIRS, Table, cell_table, make_supernet, slots_with

OPTIONS = ((), ("memorize_embedding",), ("factorize_hadamard",))


@pytest.fixture(scope="module")
def table() -> Table:
    return cell_table(4000, {(0, 1): 2.0})


def train(table: Table, supernet: Supernet, **changes: Any) -> None:
    settings: dict[str, Any] = {
        "index": torch.arange(4000),
        "epochs": 1,
        "learning_rate": 1e-2,
        "embedding_l2": 0.0,
        "batch_size": 400,
        "generator": torch.Generator().manual_seed(0),
    }
    train_by_paths(supernet, table.rows(supernet), **{**settings, **changes})


def test_options_are_drawn_by_their_shares(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    supernet = make_supernet(table, slots_with(OPTIONS))
    drawn: list[torch.Tensor] = []
    original = Supernet.path_mask

    def recorded(self: Supernet, options: torch.Tensor, rows: int) -> Any:
        assert len(options) == -(-rows // GROUP_ROWS)
        drawn.append(options)
        return original(self, options, rows)

    monkeypatch.setattr(Supernet, "path_mask", recorded)
    train(table, supernet, epochs=8)
    options = torch.cat(drawn)
    frequencies = torch.stack([(options == option).float().mean(0) for option in range(3)], 1)
    torch.testing.assert_close(frequencies, option_shares(supernet), atol=0.05, rtol=0)
    # Slots are drawn apart from each other.
    together = ((options[:, FIELDS] == 0) & (options[:, FIELDS + 1] == 0)).float().mean()
    assert float(together) == pytest.approx(NAIVE_SHARE**2, abs=0.03)


def test_shares_leave_the_cheapest_its_part_and_split_the_rest(table: Table) -> None:
    slots = slots_with(OPTIONS)
    slots[-1] = Slot(PAIRS[-1], ((), ("memorize_embedding",)))
    shares = option_shares(make_supernet(table, slots))
    rest = (1 - NAIVE_SHARE) / 2
    assert shares[0].tolist() == [1.0, 0.0, 0.0]
    assert shares[FIELDS].tolist() == pytest.approx([NAIVE_SHARE, rest, rest])
    assert shares[-1].tolist() == pytest.approx([NAIVE_SHARE, 1 - NAIVE_SHARE, 0.0])


def test_only_the_active_path_receives_gradient(table: Table) -> None:
    supernet = make_supernet(table, slots_with(OPTIONS))
    rows = table.rows(supernet).part(slice(0, 200))
    rng = np.random.default_rng(0)
    path = [0] * FIELDS + [int(rng.integers(3)) for _ in PAIRS]
    logits = supernet(rows.selected, supernet.path_mask(torch.tensor([path]), len(rows)))
    torch.nn.functional.binary_cross_entropy_with_logits(logits, rows.labels).backward()
    on = {OPTIONS[option]: [] for option in path[FIELDS:]}
    for pair, option in zip(PAIRS, path[FIELDS:], strict=True):
        on[OPTIONS[option]].append(pair)
    memorize, factorize = (supernet.operators[name] for name in ("memorize_embedding", "factorize_hadamard"))
    assert memorize.table.grad is not None and factorize.table.grad is not None
    for pair, block in zip(PAIRS, memorize.table.grad.split(memorize.slot_rows), strict=True):
        assert bool(block.any()) == (pair in on[("memorize_embedding",)])
    multiplied = {field for pair in on[("factorize_hadamard",)] for field in pair}
    for field, block in zip(factorize.fields, factorize.table.grad.split(factorize.field_rows), strict=True):
        assert bool(block.any()) == (field in multiplied)
    assert supernet.operators["embedding"].table.grad.any()


def test_rows_outside_the_index_leave_no_trace(table: Table) -> None:
    weights = []
    for flip in (False, True):
        supernet = make_supernet(table, slots_with(OPTIONS))
        labels = table.labels.clone()
        if flip:
            labels[3000:] = 1 - labels[3000:]
        rows = Rows(supernet.select(table.features), labels)
        train_by_paths(
            supernet,
            rows,
            index=torch.arange(3000),
            epochs=1,
            learning_rate=1e-2,
            embedding_l2=0.0,
            batch_size=400,
            generator=torch.Generator().manual_seed(0),
        )
        weights.append(torch.cat([p.detach().flatten() for p in supernet.parameters()]))
    assert torch.equal(*weights)


def test_every_single_path_has_learned(table: Table) -> None:
    supernet = make_supernet(table, slots_with(OPTIONS))
    epochs: list[int] = []
    train(table, supernet, epochs=12, on_epoch=epochs.append)
    assert epochs == list(range(1, 13))
    rows = table.rows(supernet)
    layout = {"embedding": [(f,) for f in range(FIELDS)]}
    losses = {}
    for name, pairs in (("none", []), ("right", [(0, 1)]), ("wrong", [(2, 3)])):
        supernet.activate({**layout, "memorize_embedding": pairs})
        losses[name] = logloss(table.labels.numpy(), predict(supernet, rows))
    assert losses["right"] < losses["none"] - 0.05
    assert abs(losses["wrong"] - losses["none"]) < 0.03


def test_same_generator_same_weights(table: Table) -> None:
    one, two = (make_supernet(table, slots_with(OPTIONS)) for _ in range(2))
    train(table, one)
    train(table, two)
    for left, right in zip(one.parameters(), two.parameters(), strict=True):
        assert torch.equal(left, right)
