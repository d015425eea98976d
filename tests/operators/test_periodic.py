"""Sines and cosines of the position, in turns over the whole range."""

from __future__ import annotations

import math

import numpy as np
import torch

from tests.operators.examples import NUMBER_BINS, NUMBER_FIELDS, build, random_features, shapes_for

FEATURES = random_features(60)
SHAPES = shapes_for(FEATURES)


def test_it_is_sines_then_cosines_of_the_position() -> None:
    slots = [(4,), (2,)]
    operator = build("periodic", slots, SHAPES)
    frequencies = operator.frequencies.detach().double().numpy()
    expected = []
    for numbers in FEATURES.numbers:
        row: list[float] = []
        for position, (field,) in enumerate(slots):
            column = NUMBER_FIELDS.index(field)
            place = float(numbers[column]) / NUMBER_BINS[column]
            angles = [2 * math.pi * frequency * place for frequency in frequencies[position]]
            missing = math.isnan(place)
            row += [0.0 if missing else math.sin(angle) for angle in angles]
            row += [0.0 if missing else math.cos(angle) for angle in angles]
        expected.append(row)
    out = operator(operator.select(FEATURES)).detach().numpy()
    np.testing.assert_allclose(out, np.array(expected), atol=1e-5)


def test_a_missing_value_gives_zeros_and_no_gradient() -> None:
    operator = build("periodic", [(2,)], SHAPES)
    out = operator(torch.tensor([[math.nan]]))
    out.sum().backward()
    assert (out == 0).all()
    assert (operator.frequencies.grad == 0).all()
