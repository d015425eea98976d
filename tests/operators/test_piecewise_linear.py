"""Ones up to the value's bin, a fraction in it, zeros beyond, and a mark for missing."""

from __future__ import annotations

import math

import numpy as np
import torch

from tests.operators.examples import NUMBER_BINS, NUMBER_FIELDS, build, random_features, shapes_for

FEATURES = random_features(60)
SHAPES = shapes_for(FEATURES)


def code(position: float, bins: int) -> list[float]:
    if math.isnan(position):
        return [0.0] * bins + [1.0]
    return [min(max(position - t, 0.0), 1.0) for t in range(bins)] + [0.0]


def test_it_is_the_position_within_the_bins() -> None:
    slots = [(4,), (2,)]
    operator = build("piecewise_linear", slots, SHAPES)
    assert np.isnan(FEATURES.numbers).any()
    expected = [
        [
            number
            for (field,) in slots
            for number in code(
                float(numbers[NUMBER_FIELDS.index(field)]), NUMBER_BINS[NUMBER_FIELDS.index(field)]
            )
        ]
        for numbers in FEATURES.numbers
    ]
    out = operator(operator.select(FEATURES)).numpy()
    np.testing.assert_allclose(out, np.array(expected), rtol=1e-6, atol=1e-6)


def test_bins_of_a_present_value_sum_to_its_position() -> None:
    operator = build("piecewise_linear", [(2,)], SHAPES)
    positions = torch.linspace(0, NUMBER_BINS[0], 31).unsqueeze(1)
    torch.testing.assert_close(operator(positions)[:, :-1].sum(1), positions.squeeze(1))


def test_only_fields_that_read_as_numbers_have_it() -> None:
    operator = build("piecewise_linear", [(2,)], SHAPES)
    assert [operator.applies((field,), SHAPES) for field in range(5)] == [False, False, True, False, True]
