"""The vector of a bucket, stretched by a function of the number: border by border, column by column."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from autofi.operators.base import Operator
from autofi.operators.embedding_by_number import EmbeddingByNumber
from tests.operators.examples import (
    CARDINALITIES,
    KEPT,
    NUMBER_BINS,
    NUMBER_FIELDS,
    SIZES,
    build,
    random_features,
    shapes_for,
    slots_of,
)

FEATURES = random_features(60)
SHAPES = shapes_for(FEATURES)
NAME = "embedding_by_number"


def weights(operator: Operator, name: str) -> np.ndarray:
    return operator.get_parameter(name).detach().numpy().astype(np.float64)


def select(operator: Operator, codes: list[int], positions: list[float]) -> torch.Tensor:
    """Rows of one slot."""
    features = random_features(len(codes))
    (field,) = operator.slots[0]
    features.ids[:, field] = codes
    features.numbers[:, NUMBER_FIELDS.index(field)] = positions
    return operator.select(features)


@pytest.mark.parametrize("slots", [[(4,), (2,)], [(2,), (4,)], [(2,)]])
def test_it_is_the_embedding_times_a_map_of_the_piecewise_linear_code(slots: list[tuple[int, ...]]) -> None:
    operator = build(NAME, slots, SHAPES)
    table, slopes = weights(operator, "table"), weights(operator, "slopes")
    expected = []
    for ids, numbers in zip(FEATURES.ids, FEATURES.numbers, strict=True):
        row: list[float] = []
        start = bin_start = 0
        for (field,) in slots:
            code = int(ids[field]) if ids[field] < KEPT[field] else 1
            bins, position = NUMBER_BINS[NUMBER_FIELDS.index(field)], numbers[NUMBER_FIELDS.index(field)]
            factor = np.ones(SIZES.embedding_dim)
            for at in range(bins):
                reached = 0.0 if math.isnan(position) else min(max(float(position) - at, 0.0), 1.0)
                factor += reached * slopes[bin_start + at]
            row.extend(table[start + code] * factor)
            start, bin_start = start + KEPT[field], bin_start + bins
        expected.append(row)
    out = operator(operator.select(FEATURES)).detach().numpy()
    np.testing.assert_allclose(out, np.array(expected), rtol=1e-4, atol=1e-6)


def test_within_a_bucket_the_effect_slopes_and_bends_at_the_borders_only() -> None:
    operator = build(NAME, [(2,)], SHAPES)
    out = operator(select(operator, [3] * 7, [0.0, 0.5, 1.0, 1.25, 1.5, 2.0, 3.0])).detach()
    torch.testing.assert_close(out[0], operator.get_parameter("table").detach()[3])
    torch.testing.assert_close(out[1], (out[0] + out[2]) / 2)
    torch.testing.assert_close(out[4] - out[3], out[3] - out[2])
    assert not torch.allclose(out[1] - out[0], out[4] - out[2])
    steps = operator.get_parameter("slopes").detach().sum(0)
    torch.testing.assert_close(out[6], out[0] * (1 + steps))


def test_at_its_start_and_where_the_number_is_missing_it_is_the_embedding() -> None:
    slots = slots_of(NAME, SHAPES)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        fresh = EmbeddingByNumber(slots, SHAPES, SIZES)
    plain = build("embedding", slots, SHAPES)
    for operator in (fresh, build(NAME, slots, SHAPES)):
        plain.load_state_dict({"table": operator.get_parameter("table").detach()})
        features = FEATURES
        if operator is not fresh:
            features = replace(FEATURES, numbers=np.full_like(FEATURES.numbers, np.nan))
        torch.testing.assert_close(operator(operator.select(features)), plain(plain.select(features)))


def test_large_codes_and_exact_numbers_are_both_kept() -> None:
    kept = 2**25
    shapes = replace(SHAPES, cardinalities=(*CARDINALITIES[:2], kept, 9, 8), kept=(5, 5, kept, 6, 7))
    operator = EmbeddingByNumber.__new__(EmbeddingByNumber)
    torch.nn.Module.__init__(operator)
    operator.slots, operator.shapes = ((2,),), shapes
    codes, numbers = select(operator, [2**24 + 1, 7], [0.1, math.nan]).tensor_split(2, 1)
    assert codes.flatten().tolist() == [2**24 + 1, 7]
    numbers = numbers.float()
    assert numbers[0] == np.float32(0.1) and numbers[1].isnan()


def test_buckets_are_taken_for_unseen_while_training_and_numbers_are_not() -> None:
    shapes = replace(SHAPES, kept=CARDINALITIES)
    operator = build(NAME, [(2,)], shapes).train()
    selected = select(operator, [2] * 200_000, [1.5] * 200_000)
    drawn = operator.drawn(selected)
    assert 280 < (drawn[:, 0] == 1).sum() < 520  # 400 expected, deviation 20
    assert torch.equal(drawn[:, 1], selected[:, 1])
    assert torch.equal(operator.eval().drawn(selected), selected)


def test_it_applies_where_a_field_has_codes_and_a_number() -> None:
    assert slots_of(NAME, SHAPES) == [(2,), (4,)]
    assert slots_of(NAME, replace(SHAPES, kept=(5, 5, 2, 6, 7))) == [(4,)]
    assert slots_of(NAME, replace(SHAPES, number_fields=(), number_bins=())) == []


def test_it_learns_a_slope_within_one_bucket() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        operator = EmbeddingByNumber([(2,)], SHAPES, SIZES)
    position = torch.linspace(0, 1, 60)
    selected = select(operator, [3] * 60, position.tolist())
    optimizer = torch.optim.Adam(operator.parameters(), lr=0.03)
    for _ in range(200):
        optimizer.zero_grad()
        (operator(selected).sum(1) - position).square().mean().backward()
        optimizer.step()
    # One vector for the bucket would leave all of the variance.
    assert (operator(selected).sum(1) - position).square().mean() < 0.02 * position.var()
