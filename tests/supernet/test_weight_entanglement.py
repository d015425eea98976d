"""Entangled sizes are mixtures of sliced weights, and the choice that rows held out prefer wins."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from autofi.model.network import Layout, Network, Streams
from autofi.operators.base import Sizes
from autofi.space.architecture import Architecture
from autofi.space.head_config import HeadName, HeadSizes
from autofi.supernet.weight_entanglement import Entangled, WidthChoices, learn_widths, width_choices
from autofi.training.row_source import Rows
from tests.supernet.tables import FIELDS, PAIRS, cell_table

TABLE = cell_table(4000, {(0, 1): 2.0})
CHOICES = WidthChoices((2, 5), ((4, 3), (8, 6), (6, 2)))
LAYOUT = {"embedding": [(field,) for field in range(FIELDS)], "memorize_embedding": [PAIRS[0]]}


def network(dim: int = 5, hidden: tuple[int, ...] = (8, 6), *, seed: int = 0) -> Network:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = Network(LAYOUT, TABLE.shapes, Sizes(dim, 4, 4), HeadSizes(hidden=hidden)).eval()
        with torch.no_grad():
            for parameter in made.parameters():
                parameter += 0.5 * torch.randn_like(parameter)
    return made


def padded(widths: tuple[int, ...], largest: int, alpha: torch.Tensor) -> np.ndarray:
    """How much of each column the mixture of all slices has, choice by choice."""
    shares = alpha.softmax(0).detach().numpy().astype(np.float64)
    found = np.zeros(largest)
    for share, width in zip(shares, widths, strict=True):
        found[:width] += share
    return found


def test_mixing_by_weight_is_one_network_with_mixed_weights() -> None:
    entangled = Entangled(network(), CHOICES).eval()
    generator = torch.Generator().manual_seed(1)
    for alpha in entangled.alphas():
        alpha.data.normal_(generator=generator)
    dims = padded(CHOICES.embedding_dim, 5, entangled.alpha_dim)
    layers = [
        padded(tuple(choice[at] for choice in CHOICES.hidden), width, entangled.alpha_hidden)
        for at, width in enumerate((8, 6))
    ]
    state = {name: value.numpy().astype(np.float64) for name, value in entangled.network.state_dict().items()}
    table, cross = state["operators.embedding.table"] * dims, state["operators.memorize_embedding.table"]
    selected = {name: part[:20] for name, part in entangled.network.select(TABLE.features).items()}
    codes = selected["embedding"].numpy() + np.arange(FIELDS) * len(table) // FIELDS
    expected = []
    for row, cell in zip(codes, selected["memorize_embedding"].numpy(), strict=True):
        x = np.concatenate([*table[row], cross[cell[0]]])
        given = np.concatenate([*[dims] * FIELDS, np.ones(4)])
        for at, name in enumerate(("first", "layers.1")):
            # Every map's weight is mixed from slices of its outputs and of its inputs.
            weight = state[f"readout.{name}.weight"] * layers[at][:, None] * given[None, :]
            x = np.maximum(weight @ x + state[f"readout.{name}.bias"] * layers[at], 0)
            given = layers[at]
        x = (state["readout.layers.3.weight"] * given) @ x + state["readout.layers.3.bias"]
        expected.append(x[0] + state["readout.bias"])
    np.testing.assert_allclose(entangled(selected).detach().numpy(), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("dim", "hidden"), [(0, 0), (1, 2), (0, 1)])
def test_one_choice_alone_is_the_network_of_its_widths(dim: int, hidden: int) -> None:
    entangled = Entangled(network(), CHOICES).eval()
    entangled.alpha_dim.data[dim] = entangled.alpha_hidden.data[hidden] = 1000.0
    small = network(CHOICES.embedding_dim[dim], CHOICES.hidden[hidden], seed=2)
    large = entangled.network.state_dict()
    kept = entangled.place < CHOICES.embedding_dim[dim]
    state = {}
    for name, value in small.state_dict().items():
        slices = tuple(slice(size) for size in value.shape)
        state[name] = large[name][:, kept][slices] if name == "readout.first.weight" else large[name][slices]
    small.load_state_dict(state)
    selected = small.select(TABLE.features)
    torch.testing.assert_close(entangled(selected), small(selected), rtol=1e-4, atol=1e-5)
    assert entangled.chosen() == {
        "sizes.embedding_dim": CHOICES.embedding_dim[dim],
        "readout.hidden": CHOICES.hidden[hidden],
    }


def test_one_hidden_unit_is_not_chosen_where_a_pair_needs_more() -> None:
    table = cell_table(12_000, {(0, 1): 2.0})
    layout = {"embedding": [(field,) for field in range(FIELDS)]}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = Network(layout, table.shapes, Sizes(8, 4, 4), HeadSizes(hidden=(32,)))
    entangled = Entangled(made, WidthChoices((1, 8), ((1,), (32,))))
    found = learn_widths(
        entangled,
        Rows(made.select(table.features), table.labels),
        weight_index=torch.arange(9000),
        choice_index=torch.arange(9000, 12_000),
        epochs=5,
        learning_rate=3e-3,
        embedding_l2=1e-5,
        batch_size=250,
        generator=torch.Generator().manual_seed(0),
    )
    assert found == {"sizes.embedding_dim": 8, "readout.hidden": (32,)}


@pytest.mark.parametrize("pairs", [True, False])
@pytest.mark.parametrize(
    ("small", "large"),
    [
        ({"cross_network": {"layers": 1, "rank": 1}}, {"cross_network": {"layers": 1, "rank": 16}}),
        (
            {"self_attention": {"layers": 1, "width": 8, "heads": 1}},
            {"self_attention": {"layers": 1, "width": 32, "heads": 4}},
        ),
    ],
)
def test_slices_are_chosen_where_pairs_need_them(small: Streams, large: Streams, pairs: bool) -> None:
    rows = 12_000 if pairs else 3000
    table = cell_table(rows, dict.fromkeys(PAIRS, 1.5) if pairs else {})
    layout = {"embedding": [(field,) for field in range(FIELDS)]}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = Network(layout, table.shapes, Sizes(8, 4, 4), HeadSizes("linear"), streams=large)
    found = learn_widths(
        Entangled(made, WidthChoices((8,), ((),), (small, large))),
        Rows(made.select(table.features), table.labels),
        weight_index=torch.arange(rows * 3 // 4),
        choice_index=torch.arange(rows * 3 // 4, rows),
        epochs=5 if pairs else 10,
        learning_rate=3e-3,
        embedding_l2=1e-5,
        batch_size=250,
        generator=torch.Generator().manual_seed(0),
    )
    assert found == {"streams": large if pairs else small}


RANKS = tuple({"cross_network": {"layers": 2, "rank": rank}} for rank in (3, 6, 1))
HEADS = tuple(
    {"self_attention": {"layers": 2, "width": 2 * heads, "heads": heads, "layer_norm": True}}
    for heads in (3, 1)
)


def with_streams(
    streams: Streams, dim: int = 5, *, name: HeadName = "linear", layout: Layout = LAYOUT, seed: int = 0
) -> Network:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = Network(layout, TABLE.shapes, Sizes(dim, 4, 4), HeadSizes(name, ()), streams=streams).eval()
        with torch.no_grad():
            for parameter in made.parameters():
                parameter += 0.5 * torch.randn_like(parameter)
    return made


@pytest.mark.parametrize("name", ["none", "sum", "linear"])
@pytest.mark.parametrize("dim", [0, 1])
@pytest.mark.parametrize("rank", range(3))
def test_one_rank_alone_is_the_network_of_that_rank(name: HeadName, dim: int, rank: int) -> None:
    choices = WidthChoices((2, 5), ((),), RANKS)
    entangled = Entangled(with_streams(choices.largest[2], name=name), choices).eval()
    entangled.alpha_dim.data[dim] = entangled.alpha_streams.data[rank] = 1000.0
    width, columns = choices.embedding_dim[dim], RANKS[rank]["cross_network"]["rank"]
    small = with_streams(RANKS[rank], width, name=name, seed=2)
    kept, whole = entangled.place < width, entangled.network.state_dict()
    vectors = kept[: FIELDS * 5]
    state = {}
    for key, value in small.state_dict().items():
        large = whole[key]
        if key.endswith("first.weight"):
            large = large[:, kept]
        elif key.startswith("streams"):
            for axis, size in enumerate(large.shape):
                if size == len(vectors):
                    large = large.index_select(axis, vectors.nonzero().flatten())
                elif size == 6:
                    large = large.narrow(axis, 0, columns)
        state[key] = large[tuple(map(slice, value.shape))]
    small.load_state_dict(state)
    selected = small.select(TABLE.features)
    torch.testing.assert_close(entangled(selected), small(selected), rtol=1e-4, atol=1e-4)
    assert entangled.chosen() == {"sizes.embedding_dim": width, "streams": RANKS[rank]}


@pytest.mark.parametrize("streams", [RANKS, HEADS])
def test_gradient_reaches_the_weights_of_all_choices(streams: tuple[Streams, ...]) -> None:
    choices = WidthChoices((2, 5), ((),), streams)
    entangled = Entangled(with_streams(choices.largest[2], name="none"), choices).train()
    entangled(entangled.network.select(TABLE.features)).square().mean().backward()
    assert [len(alpha) for alpha in entangled.alphas()] == [2, len(streams)]
    for alpha in entangled.alphas():
        assert alpha.grad is not None and alpha.grad.isfinite().all() and alpha.grad.all()
    for key, parameter in entangled.network.named_parameters():
        assert key.startswith("operators.memorize") or (
            parameter.grad is not None and parameter.grad.any()
        ), key


def test_what_is_not_chosen_among_is_not_learned() -> None:
    entangled = Entangled(with_streams(RANKS[1]), WidthChoices((5,), ((),), RANKS))
    assert [len(alpha) for alpha in entangled.alphas()] == [3]
    assert entangled.chosen().keys() == {"streams"}


PLAIN = Architecture(fields={"a": ("embedding",)}, sizes=Sizes(6), head=HeadSizes(hidden=(9,)))


def test_what_can_be_entangled_is_told_from_the_rest() -> None:
    offered = {
        "sizes.embedding_dim": (16, 4),
        "readout.hidden": ([64, 32], [8, 8], [10]),
        "min_count": (1, 2),
    }
    assert width_choices(offered, PLAIN) == WidthChoices((4, 16), ((8, 8), (64, 32)))
    assert width_choices({"readout.hidden": ([8], [4])}, PLAIN) == WidthChoices((6,), ((4,), (8,)))
    assert width_choices({"sizes.embedding_dim": (2, 3)}, PLAIN) == WidthChoices((2, 3), ((9,),))
    assert width_choices({"readout.hidden": ([8],)}, PLAIN) is None
    assert width_choices({}, PLAIN) is None
    linear = replace(PLAIN, head=HeadSizes("linear"))
    assert width_choices({"readout.hidden": ([8], [4])}, linear) is None


@pytest.mark.parametrize(
    ("sets", "largest"),
    [
        (RANKS, RANKS[1]),
        (HEADS, HEADS[0]),
        (({**RANKS[0], "fm": {}}, {"fm": {}, **RANKS[1]}), RANKS[1]),
        (({"cross_network": {"rank": 2}}, {"cross_network": {"rank": 0}}), {}),
        (({"cross_network": {"rank": 2}}, {"cross_network": {"rank": 3, "layers": 2}}), {}),
        (({"cross_network": {"rank": 2}}, {"cross_network": {"rank": 3}, "fm": {}}), {}),
        (({"cross_network": {"rank": 2}}, {}), {}),
        (({"fm": {}}, {"fm": {}}), {}),
    ],
)  # fmt: skip
def test_sets_of_streams_are_entangled_where_only_slices_differ(
    sets: tuple[Streams, ...], largest: Streams
) -> None:
    found = width_choices({"streams": sets, "sizes.embedding_dim": (4, 6)}, replace(PLAIN, streams=sets[0]))
    assert found is not None and found.largest[2] == largest
    assert found.streams == (sets if largest else ({},))
    alone = width_choices({"streams": sets}, replace(PLAIN, streams=sets[0]))
    assert (alone is None) == (not largest)


def test_streams_without_a_choice_stand_beside_what_is_chosen() -> None:
    fixed = replace(PLAIN, streams={"cross_network": {"layers": 2}, "fm": {}})
    found = width_choices({"sizes.embedding_dim": (4, 6)}, fixed)
    assert found is not None and found.largest[2].keys() == {"cross_network"}
    left = replace(PLAIN, streams={"fm": {}}, head=HeadSizes("none"))
    assert width_choices({"sizes.embedding_dim": (4, 6)}, left) is None
    # Streams read the vectors of fields: there are none.
    without = replace(PLAIN, fields={"a": ("statistics",)}, streams=RANKS[0])
    assert width_choices({"streams": RANKS}, without) is None


def test_normalisation_sees_whole_columns() -> None:
    """A column's mean and deviation are its own: what a choice lacks does not change those it has."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = Network(LAYOUT, TABLE.shapes, Sizes(5, 4, 4), HeadSizes(hidden=(8, 6), batch_norm=True))
    entangled = Entangled(made, CHOICES).train()
    selected = made.select(TABLE.features)
    entangled(selected)
    norm = made.head.layers[0]
    assert isinstance(norm, nn.BatchNorm1d) and norm.running_mean is not None
    before = norm.running_mean.clone()
    entangled.alpha_hidden.data.copy_(torch.tensor([5.0, 0.0, 0.0]))
    norm.reset_running_stats()
    entangled(selected)
    torch.testing.assert_close(norm.running_mean, before, rtol=1e-2, atol=1e-2)
