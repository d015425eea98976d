"""Bins and the calibration error equal a slow loop over rows, ties, weights and few rows included."""

from __future__ import annotations

import math

import numpy as np
import pytest

from autofi.errors import DataError
from autofi.metrics.calibration import ReliabilityBin, ece, reliability

SEEDS = range(6)


def draw(seed: int, rows: int = 300, distinct: int = 40) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, predictions with ties, and whole weights, 0 among them."""
    generator = np.random.default_rng(seed)
    probabilities = generator.integers(0, distinct + 1, rows) / distinct
    labels = (generator.random(rows) < probabilities**2).astype(int)
    return labels, probabilities, generator.integers(0, 4, rows)


def slow(labels: np.ndarray, probabilities: np.ndarray, weights: np.ndarray, bins: int) -> dict[int, list]:
    """Rows by bin: the place of a prediction is the middle of the weight that has it."""
    found: dict[int, list] = {}
    total = int(weights.sum())
    for label, probability, weight in zip(labels, probabilities, weights, strict=True):
        below = int(weights[probabilities < probability].sum())
        same = int(weights[probabilities == probability].sum())
        if weight:
            place = (2 * below + same) * bins // (2 * total)
            found.setdefault(place, []).append((float(label), probability, float(weight)))
    return found


def described(rows: list[tuple[float, float, float]], total: float) -> ReliabilityBin:
    weight = sum(w for _, _, w in rows)
    rate = sum(w * y for y, _, w in rows) / weight
    return ReliabilityBin(
        predicted=sum(w * p for _, p, w in rows) / weight,
        rate=rate,
        standard_error=math.sqrt(sum((w * (y - rate)) ** 2 for y, _, w in rows)) / weight,
        rows=len(rows),
        share=weight / total,
    )


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("weighed", [False, True])
@pytest.mark.parametrize("bins", [1, 7, 20])
def test_the_table_is_that_of_a_loop(seed: int, weighed: bool, bins: int) -> None:
    labels, probabilities, weights = draw(seed)
    counted = weights if weighed else np.ones(len(labels), dtype=int)
    loop = slow(labels, probabilities, counted, bins)
    expected = [described(loop[place], counted.sum()) for place in sorted(loop)]
    found = reliability(labels, probabilities, weights if weighed else None, bins=bins)
    assert len(found) == len(expected)
    for mine, theirs in zip(found, expected, strict=True):
        assert mine.rows == theirs.rows
        assert vars(mine) == pytest.approx(vars(theirs), abs=1e-13)
    error = sum(part.share * abs(part.rate - part.predicted) for part in expected)
    assert ece(labels, probabilities, weights if weighed else None, bins=bins) == pytest.approx(
        error, abs=1e-13
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_a_whole_weight_is_the_row_so_many_times(seed: int) -> None:
    labels, probabilities, weights = draw(seed)
    repeated = np.repeat(np.arange(len(labels)), weights)
    assert ece(labels, probabilities, weights) == pytest.approx(
        ece(labels[repeated], probabilities[repeated]), abs=1e-13
    )
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    assert ece(labels[shuffled], probabilities[shuffled], weights[shuffled]) == pytest.approx(
        ece(labels, probabilities, weights), abs=1e-13
    )


def test_rows_without_ties_are_divided_evenly() -> None:
    labels = np.arange(1000) % 3 == 0
    table = reliability(labels, np.random.default_rng(0).permutation(1000) / 1000)
    assert [part.rows for part in table] == [50] * 20
    assert [part.share for part in table] == pytest.approx([0.05] * 20)
    rates = [part.rate for part in table]
    assert [part.standard_error for part in table] == pytest.approx(
        [math.sqrt(rate * (1 - rate) / 50) for rate in rates]
    )


def test_few_rows_have_a_bin_each_and_ties_share_one() -> None:
    assert reliability([1], [0.25]) == (ReliabilityBin(0.25, 1.0, 0.0, 1, 1.0),)
    assert ece([1], [0.25]) == 0.75
    assert [part.rows for part in reliability([0, 1, 1], [0.1, 0.2, 0.9])] == [1, 1, 1]
    assert ece([0, 1, 1, 0], [0.5] * 4) == 0.0
    assert len(reliability([0, 1, 1, 0], [0.5] * 4)) == 1
    assert ece([0, 1], [0.0, 1.0]) == 0.0


def test_a_perfect_model_has_what_chance_gives_and_a_shifted_one_its_shift() -> None:
    generator = np.random.default_rng(1)
    probabilities = generator.uniform(0.1, 0.6, 200_000)
    labels = generator.random(200_000) < probabilities
    table = reliability(labels, probabilities)
    chance = 0.8 * np.mean([part.standard_error for part in table])
    assert ece(labels, probabilities) == pytest.approx(chance, rel=0.4)
    assert ece(labels, probabilities + 0.2) == pytest.approx(0.2, abs=0.004)


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(DataError, match="row 1 is 1.5; it must lie between 0 and 1"):
        ece([0, 1], [0.5, 1.5])
    with pytest.raises(DataError, match="row 0 is NaN"):
        ece([0, 1], [float("nan"), 0.5])
    with pytest.raises(DataError, match="non-empty"):
        ece([], [])
    with pytest.raises(DataError, match="All weights are 0"):
        ece([0, 1], [0.2, 0.5], [0, 0])
    with pytest.raises(DataError, match="bins is 0"):
        reliability([0, 1], [0.2, 0.5], bins=0)
