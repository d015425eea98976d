"""A calibration is fitted as its source says, and comes back from JSON as it was or not at all."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.isotonic import IsotonicRegression

from autofi.errors import DataError, ExportError
from autofi.metrics.calibration import ece
from autofi.metrics.calibrators import (
    CALIBRATIONS,
    Calibration,
    Isotonic,
    Platt,
    logits_of,
    on_grid,
    read_calibration,
)
from autofi.metrics.ranking import auc, logloss

KINDS = sorted(CALIBRATIONS)
SLOPE, INTERCEPT = 0.5, -0.3
PLATT = {"method": "platt", "slope": 0.5, "intercept": -1.0}
ISOTONIC = {"method": "isotonic", "logits": [-1.0, 0.5, 2.0], "probabilities": [0.1, 0.1, 0.9]}


def draw(rows: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Clicks, and logits that are twice as sure as they should be."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(-1.0, 1.5, rows)
    return generator.random(rows) < expit(SLOPE * logits + INTERCEPT), logits


def test_platt_finds_the_slope_and_the_intercept_of_the_rows() -> None:
    found = Platt.fit(*draw(200_000))
    assert (found.slope, found.intercept) == pytest.approx((SLOPE, INTERCEPT), abs=0.02)


@pytest.mark.parametrize("weighed", [False, True])
def test_platt_is_the_minimum_of_the_smoothed_loss(weighed: bool) -> None:
    labels, logits = draw(80, seed=3)
    weights = np.random.default_rng(4).uniform(0, 3, 80) if weighed else np.ones(80)
    found = Platt.fit(labels, logits, weights * 7 if weighed else None)
    weights *= 80 / weights.sum()
    clicks, others = weights[labels].sum(), weights[~labels].sum()
    targets = np.where(labels, (clicks + 1) / (clicks + 2), 1 / (others + 2))

    def loss(line: np.ndarray) -> float:
        z = line[0] * logits + line[1]
        return float(np.sum(weights * (np.logaddexp(0, z) - targets * z)))

    best = minimize(loss, [1.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12})
    assert (found.slope, found.intercept) == pytest.approx(best.x, abs=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_too_sure_logits_are_better_on_other_rows_once_calibrated(kind: str) -> None:
    found = CALIBRATIONS[kind].fit(*draw(20_000))
    labels, logits = draw(20_000, seed=1)
    before, after = expit(logits), found.apply(logits)
    assert logloss(labels, after) < logloss(labels, before) - 0.03
    assert ece(labels, after) < 0.015 < 0.08 < ece(labels, before)
    if kind == "platt":
        assert auc(labels, after) == auc(labels, before)
    assert auc(labels, after) == pytest.approx(auc(labels, before), abs=2e-3)


@pytest.mark.parametrize("rows", [2, 5, 40, 5000])
@pytest.mark.parametrize("weighed", [False, True])
def test_isotonic_is_scikit_learns_regression_on_the_grid(rows: int, weighed: bool) -> None:
    labels, logits = draw(rows, seed=5)
    labels[np.argmin(logits)], labels[np.argmax(logits)] = False, True
    weights = np.random.default_rng(6).uniform(0.5, 2, rows) if weighed else None
    found = Isotonic.fit(labels, logits, weights)
    size = np.ones(rows) if weights is None else weights * rows / weights.sum()
    bounds = 1 / (size[~labels].sum() + 2), 1 - 1 / (size[labels].sum() + 2)
    slow = IsotonicRegression(y_min=bounds[0], y_max=bounds[1], out_of_bounds="clip")
    slow.fit(np.round(logits * 128) / 128, labels, sample_weight=weights)
    asked = np.concatenate([logits, np.linspace(-12, 12, 5001), found.logits, [-1e4, 1e4]])
    np.testing.assert_allclose(found.apply(asked), slow.predict(asked), rtol=0, atol=1e-12)
    rising = found.apply(np.sort(asked))
    assert (np.diff(rising) >= 0).all()
    assert bounds[0] - 1e-12 <= rising[0] < rising[-1] <= bounds[1] + 1e-12
    assert len(found.logits) <= 2 * len(set(found.probabilities))


@pytest.mark.parametrize("kind", KINDS)
def test_rows_that_are_separated_by_their_logit_leave_doubt(kind: str) -> None:
    logits = np.linspace(-3, 3, 50)
    found = CALIBRATIONS[kind].fit(logits > 0, logits)
    assert 0 < found.apply(-3.0) < 0.1 < 0.9 < found.apply(3.0) < 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_of_weight_two_is_two_rows_of_one(kind: str) -> None:
    labels, logits = draw(300, seed=7)
    weights = np.random.default_rng(8).integers(0, 3, 300)
    repeated = np.repeat(np.arange(300), weights)
    fit = CALIBRATIONS[kind].fit
    asked = np.linspace(-8, 8, 200)
    # Weights have mean 1 over the rows that count, so the smoothing is that of fewer rows.
    np.testing.assert_allclose(
        fit(labels, logits, weights).apply(asked),
        fit(labels[repeated], logits[repeated]).apply(asked),
        atol=0.02,
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("logit", [0.5, -400.0])
def test_logits_without_any_order_are_refused(kind: str, logit: float) -> None:
    fit = CALIBRATIONS[kind].fit
    labels, logits = draw(2000)
    with pytest.raises(ExportError, match="Higher predictions do not go with more clicks"):
        fit(labels, -logits)
    with pytest.raises(ExportError, match="all 2000 rows have the logit"):
        fit(labels, np.full(2000, logit))
    with pytest.raises(DataError, match="All 2000 rows for the calibration are of one class"):
        fit(np.ones(2000), logits)
    with pytest.raises(DataError, match="All 3 rows for the calibration"):
        fit([0, 1, 1, 1], [0.0, 1.0, 2.0, 3.0], [0, 1, 1, 1])
    with pytest.raises(DataError, match="row 1 is NaN"):
        fit([0, 1], [0.0, np.nan])
    with pytest.raises(DataError, match="one per label"):
        fit([0, 1], [0.0])


@pytest.mark.parametrize("kind", KINDS)
def test_json_brings_back_the_same(kind: str) -> None:
    found = CALIBRATIONS[kind].fit(*draw(3000))
    read = read_calibration(json.loads(json.dumps(found.to_json())))
    assert read == found
    assert type(read) is CALIBRATIONS[kind]
    asked = np.linspace(-9, 9, 1000)
    assert np.array_equal(read.apply(asked), found.apply(asked))


def changed(document: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {key: value for key, value in (document | changes).items() if value is not None}


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ([], "dict"),
        ({}, "method"),
        (changed(PLATT, method="beta"), "beta"),
        (changed(PLATT, slope=-1.0), "-1.0 at slope.*greater than 0"),
        (changed(PLATT, slope=0.0), "slope"),
        (changed(PLATT, slope=float("inf")), "finite"),
        (changed(PLATT, slope="0.5"), "valid number"),
        (changed(PLATT, slope=True), "valid number"),
        (changed(PLATT, intercept=float("nan")), "finite"),
        (changed(PLATT, intercept=None), "intercept"),
        (changed(PLATT, temperature=2.0), "temperature"),
        (changed(ISOTONIC, logits=[-1.0, 2.0, 0.5]), "must rise"),
        (changed(ISOTONIC, logits=[-1.0, 0.5, 0.5]), "must rise"),
        (changed(ISOTONIC, logits=[-1.0, 0.5, 0.51]), "multiples of 1 / 128"),
        (changed(ISOTONIC, logits=[-1.0, 0.5, float("nan")]), "logits.2"),
        (changed(ISOTONIC, logits=[-1.0, 0.5, 40.0]), "less than or equal to 36"),
        (changed(ISOTONIC, logits=[-1.0, 0.5]), "2 logits need as many probabilities, not 3"),
        (changed(ISOTONIC, logits=[0.5], probabilities=[0.5]), "at least 2"),
        (changed(ISOTONIC, probabilities=[0.1, 0.2, 0.15]), "must not fall"),
        (changed(ISOTONIC, probabilities=[0.0, 0.2, 0.9]), "probabilities.0"),
        (changed(ISOTONIC, probabilities=[0.1, 0.2, 1.0]), "probabilities.2"),
        (changed(ISOTONIC, probabilities=[0.1, None, 0.9]), "probabilities.1"),
    ],
)
def test_a_document_that_no_export_wrote_is_refused_by_its_place(document: object, told: str) -> None:
    for correct in (PLATT, ISOTONIC):
        assert isinstance(read_calibration(correct), Calibration)
    with pytest.raises(ExportError, match=f"(?=.*which no export writes .*export the bundle again).*{told}"):
        read_calibration(document)


def test_logits_come_back_from_kept_probabilities() -> None:
    logits = np.linspace(-30, 15, 500)
    np.testing.assert_allclose(logits_of(expit(logits)), logits, rtol=0, atol=1e-9)
    assert logits_of([0.0, 1.0, 5e-324]).tolist() == [-36.0, 36.0, -36.0]
    assert np.abs(on_grid(logits) - logits).max() <= 1 / 256
