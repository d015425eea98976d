"""Entangled widths are mixtures of sliced weights, and the choice that rows held out prefer wins."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from autofi.model.network import Network
from autofi.model.readout import ReadoutSizes
from autofi.operators.base import Sizes
from autofi.supernet.entangled import Entangled, WidthChoices, learn_widths, width_choices
from autofi.training.rows import Rows
from tests.supernet.tables import FIELDS, PAIRS, cell_table

TABLE = cell_table(4000, {(0, 1): 2.0})
CHOICES = WidthChoices((2, 5), ((4, 3), (8, 6), (6, 2)))
LAYOUT = {"embedding": [(field,) for field in range(FIELDS)], "memorize_embedding": [PAIRS[0]]}


def network(dim: int = 5, hidden: tuple[int, ...] = (8, 6), *, seed: int = 0) -> Network:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = Network(LAYOUT, TABLE.shapes, Sizes(dim, 4, 4), ReadoutSizes(hidden=hidden)).eval()
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
        made = Network(layout, table.shapes, Sizes(8, 4, 4), ReadoutSizes(hidden=(32,)))
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


def test_what_can_be_entangled_is_told_from_the_rest() -> None:
    offered = {
        "sizes.embedding_dim": (16, 4),
        "readout.hidden": ([64, 32], [8, 8], [10]),
        "min_count": (1, 2),
    }
    assert width_choices(offered, dim=8) == WidthChoices((4, 16), ((8, 8), (64, 32)))
    assert width_choices({"readout.hidden": ([8], [4])}, dim=6) == WidthChoices((6,), ((4,), (8,)))
    assert width_choices({"readout.hidden": ([8],)}, dim=6) is None
    assert width_choices({}, dim=6) is None


def test_normalisation_sees_whole_columns() -> None:
    """A column's mean and deviation are its own: what a choice lacks does not change those it has."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = Network(LAYOUT, TABLE.shapes, Sizes(5, 4, 4), ReadoutSizes(hidden=(8, 6), batch_norm=True))
    entangled = Entangled(made, CHOICES).train()
    selected = made.select(TABLE.features)
    entangled(selected)
    norm = made.readout.layers[0]
    assert isinstance(norm, nn.BatchNorm1d) and norm.running_mean is not None
    before = norm.running_mean.clone()
    entangled.alpha_hidden.data.copy_(torch.tensor([5.0, 0.0, 0.0]))
    norm.reset_running_stats()
    entangled(selected)
    torch.testing.assert_close(norm.running_mean, before, rtol=1e-2, atol=1e-2)
