"""The click rate of a cell is shrunk toward the overall rate."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tests.operators.examples import COLUMNS, build, random_features, shapes_for

FEATURES = random_features(50)
SHAPES = shapes_for(FEATURES)
SLOTS = [(1, 3), (0, 4), (0, 1)]


def logit(probability: float) -> float:
    return math.log(probability / (1 - probability))


def test_it_is_the_smoothed_log_odds_and_the_standardised_count() -> None:
    operator = build("memorize_statistics", SLOTS, SHAPES)
    strengths = [math.exp(value) for value in operator.log_strength.tolist()]
    assert FEATURES.statistics is not None
    out = operator(operator.select(FEATURES)).detach().numpy()
    for row, statistics in enumerate(FEATURES.statistics):
        for position, slot in enumerate(SLOTS):
            count, clicks = (float(value) for value in statistics[COLUMNS.index(slot)])
            strength, prior = strengths[position], SHAPES.prior
            rate = (clicks + strength * prior) / (count + strength)
            mean, deviation = SHAPES.log_counts[slot]
            expected = [logit(rate) - logit(prior), (math.log(1 + count) - mean) / deviation]
            assert out[row, 2 * position : 2 * position + 2] == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_an_unseen_cell_says_nothing_about_the_rate() -> None:
    operator = build("memorize_statistics", SLOTS, SHAPES)
    nothing = operator(torch.zeros(1, len(SLOTS), 2)).detach().numpy().reshape(-1, 2)
    np.testing.assert_allclose(nothing[:, 0], 0.0, atol=1e-6)


def test_more_rows_are_believed_more() -> None:
    operator = build("memorize_statistics", SLOTS[:1], SHAPES)
    counts = torch.tensor([1.0, 10.0, 1000.0])
    rates = operator(torch.stack((counts, 0.5 * counts), -1).unsqueeze(1))[:, 0].tolist()
    assert 0 < rates[0] < rates[1] < rates[2] < logit(0.5) - logit(SHAPES.prior)
