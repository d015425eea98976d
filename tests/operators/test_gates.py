"""What gates by value and by field have in common: soft while they learn, rows that are gone once they are closed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from autofi.operators._gated_table import INITIAL_WEIGHT, GatedTable
from tests.operators.examples import KEPT, build, random_features, shapes_for, slots_of

FEATURES = random_features(60)
SHAPES = shapes_for(FEATURES)
SLOTS = slots_of("gated_embedding", SHAPES)
both = pytest.mark.parametrize("name", ["gated_embedding", "gated_field"])


def gated(name: str) -> GatedTable:
    operator = build(name, SLOTS, SHAPES, seed=1)
    assert isinstance(operator, GatedTable) and operator.gates is not None
    with torch.no_grad():
        operator.gates.copy_(torch.randn(operator.gates.shape, generator=torch.Generator().manual_seed(0)))
    return operator


def expected(operator: GatedTable, temperature: float | None) -> np.ndarray:
    """Vector by vector; without a temperature gates are 1 or 0."""
    assert operator.gates is not None
    table, weights = operator.table.detach().numpy(), operator.gates.detach().numpy()[:, 0]
    found = []
    for ids in FEATURES.ids:
        row = []
        for place, (field,) in enumerate(SLOTS):
            at = sum(KEPT[:field]) + (ids[field] if ids[field] < KEPT[field] else 1)
            weight = weights[at] if operator.name == "gated_embedding" else weights[place]
            if temperature is None:
                factor = float(weight > 0)
            else:
                factor = (1 + np.exp(-INITIAL_WEIGHT)) / (1 + np.exp(-temperature * weight))
            row.append(table[at] * factor)
        found.append(np.concatenate(row))
    return np.array(found)


@both
@pytest.mark.parametrize("temperature", [1.0, 7.0])
def test_vectors_are_weighed_while_gates_learn(name: str, temperature: float) -> None:
    operator = gated(name)
    operator.temperature = temperature
    found = operator(operator.select(FEATURES)).detach().numpy()
    np.testing.assert_allclose(found, expected(operator, temperature), rtol=1e-5, atol=1e-7)


@both
def test_a_gate_begins_as_if_there_were_none(name: str) -> None:
    operator = build(name, SLOTS, SHAPES)
    assert isinstance(operator, GatedTable) and operator.gates is not None
    with torch.no_grad():
        operator.gates.fill_(INITIAL_WEIGHT)
    rows = operator.table[operator.select(FEATURES) + operator.offsets].flatten(1)
    torch.testing.assert_close(operator(operator.select(FEATURES)), rows)


@both
def test_closed_it_holds_the_rows_it_gives_and_no_others(name: str) -> None:
    operator = gated(name)
    hard = expected(operator, None)
    kept = int(operator.opened().sum())
    operator.close(operator.opened())
    np.testing.assert_array_equal(
        operator(operator.select(FEATURES)).detach().numpy(), hard.astype(np.float32)
    )
    assert 0 < kept == len(operator.table) < sum(KEPT)
    assert [key for key, _ in operator.named_parameters()] == ["table"]


@both
def test_closed_weights_are_loaded_into_one_that_is_open(name: str) -> None:
    operator, other = gated(name), build(name, SLOTS, SHAPES, seed=7)
    operator.close(operator.opened())
    other.load_state_dict(operator.state_dict(), strict=True)
    selected = operator.select(FEATURES)
    assert torch.equal(other(selected), operator(selected))
    assert sum(p.numel() for p in other.parameters()) == sum(p.numel() for p in operator.parameters())


@both
@pytest.mark.parametrize("closed", [False, True])
def test_a_part_of_it_gives_the_columns_of_the_whole(name: str, closed: bool) -> None:
    operator = gated(name)
    if closed:
        operator.close(operator.opened())
    columns = operator(operator.select(FEATURES)).split(list(operator.widths()), 1)
    small = operator.subset([3, 0])
    found = small(small.select(FEATURES))
    torch.testing.assert_close(found, torch.cat([columns[3], columns[0]], 1))
    there = sum(KEPT[field] for field in (3, 0))
    assert len(small.table) <= there < sum(KEPT)
    assert (small.gates is None) == closed


@both
def test_one_row_stays_where_no_gate_is_open(name: str) -> None:
    operator = gated(name)
    assert operator.gates is not None
    with torch.no_grad():
        operator.gates.copy_(-operator.gates.abs())
    operator.close(operator.opened())
    assert len(operator.table) > 0
    assert operator(operator.select(FEATURES)).isfinite().all()
