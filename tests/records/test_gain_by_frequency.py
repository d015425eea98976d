"""Gains by how often training saw a row's values: whose rows they are, and what two models came to on them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from autofi.records.gain_by_frequency import (
    BUCKETS,
    FEWEST,
    BucketGain,
    gain_by_field,
    gain_by_frequency,
    rarest,
)
from autofi.records.value_frequencies import frequency_codes

ROWS = 4000
GENERATOR = np.random.default_rng(0)
COUNTS = (GENERATOR.pareto(0.4, (ROWS, 3)) * 2).astype(np.int64).clip(max=100_000)
CODES = frequency_codes(COUNTS)
LABELS = GENERATOR.integers(0, 2, ROWS).astype(np.float64)


def scores(noise: float, seed: int) -> np.ndarray:
    logits = LABELS - 0.5 + noise * np.random.default_rng(seed).standard_normal(ROWS)
    return 1 / (1 + np.exp(-logits))


A, B = scores(0.8, 1), scores(1.5, 2)


def held(counts: np.ndarray, found: BucketGain) -> np.ndarray:
    return (counts >= found.low) & (counts <= (np.inf if found.high is None else found.high))


def test_every_row_is_in_the_bucket_of_its_rarest_value() -> None:
    found = gain_by_frequency(rarest(CODES), LABELS, A, B)
    assert [gain.low for gain in found] == [0, 1, 4, 16, 64, 256, 1024][: len(found)]
    assert sum(gain.rows for gain in found) == ROWS
    assert sum(gain.clicks for gain in found) == LABELS.sum()
    least = COUNTS.min(axis=1)
    for gain in found:
        assert gain.rows == held(least, gain).sum()


def test_figures_are_those_of_the_rows_of_a_bucket() -> None:
    for name, gains in gain_by_field(CODES, ("a", "b", "c"), LABELS, A, B).items():
        counts = COUNTS[:, "abc".index(name)]
        assert len(gains) == len(BUCKETS)
        for gain in gains:
            rows = held(counts, gain)
            assert gain.auc is not None
            for figures, scored in (("a", A), ("b", B)):
                assert getattr(gain.auc, figures) == pytest.approx(roc_auc_score(LABELS[rows], scored[rows]))
                assert getattr(gain.logloss, figures) == pytest.approx(log_loss(LABELS[rows], scored[rows]))
            for measure in (gain.auc, gain.logloss):
                assert measure.difference == pytest.approx(measure.a - measure.b)
                assert measure.low < measure.difference < measure.high


def test_the_interval_of_logloss_covers_as_often_as_it_says() -> None:
    generator = np.random.default_rng(5)
    covered = 0
    for _ in range(300):
        rates = generator.random(400) * 0.8 + 0.1
        labels = (generator.random(400) < rates).astype(float)
        a, b = np.clip(rates + 0.05, 0, 1), np.clip(rates - 0.1, 0, 1)
        (gain,) = gain_by_frequency(np.zeros(400, np.uint8), labels, a, b)
        truth = np.mean(-rates * np.log(a / b) - (1 - rates) * np.log((1 - a) / (1 - b)))
        covered += gain.logloss.low <= truth <= gain.logloss.high
    assert 0.9 <= covered / 300 <= 0.99


def test_a_bucket_of_one_class_has_no_auc() -> None:
    labels = np.zeros(50)
    labels[: FEWEST - 1] = 1
    (gain,) = gain_by_frequency(np.full(50, 3, np.uint8), labels, A[:50], B[:50])
    assert gain.auc is None
    assert (gain.low, gain.high, gain.clicks) == (4, 15, FEWEST - 1)
    (alone,) = gain_by_frequency(np.zeros(1, np.uint8), [1.0], [0.5], [0.5])
    assert alone.logloss.difference == 0.0


def test_labels_of_buckets_are_in_words() -> None:
    found = gain_by_frequency(rarest(CODES), LABELS, A, B)
    assert [gain.label for gain in found][:3] == ["unseen", "1–3", "4–15"]
    assert gain_by_frequency(np.array([12], np.uint8), [1.0], [0.5], [0.4])[0].label == "1,024 or more"
    assert gain_by_frequency(np.array([1], np.uint8), [1.0], [0.5], [0.4], buckets=(0, 1, 2))[0].label == "1"
