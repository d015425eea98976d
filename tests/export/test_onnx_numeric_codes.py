"""Buckets and positions in a graph are those of training, bit by bit."""

from __future__ import annotations

import numpy as np
import pytest

from autofi.data.quantile_binning import Buckets, BucketScale, Positions
from autofi.export.onnx_numeric_codes import bucket_codes, positions, thresholds
from tests.export.run_graph import run

GENERATOR = np.random.default_rng(0)
EXTREME = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e308, -1e308, 5e-324, 2.0, 3.0, -2.0, 2.0000000000000004]
LEARNED = {
    "few": np.array([0.0, 1.0, 2.0]),
    "many": GENERATOR.lognormal(size=3000),
    "both_signs": 100 * GENERATOR.standard_cauchy(size=3000),
    "one": np.array([4.0]),
    "none": np.array([]),
    "tight": np.array([1.0, np.nextafter(1.0, 2), 2.0]),
    "far": np.array([-1e308, 0.0, 1e308]),
}


def probes(values: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):  # beyond the largest number lies infinity
        around = np.concatenate([np.nextafter(values, np.inf), np.nextafter(values, -np.inf), values])
    return np.concatenate([EXTREME, around, 10 * GENERATOR.standard_cauchy(size=500)])


@pytest.mark.parametrize("scale", list(BucketScale))
@pytest.mark.parametrize("name", LEARNED)
def test_every_number_has_the_bucket_of_training(name: str, scale: BucketScale) -> None:
    buckets = Buckets.fit(LEARNED[name], scale=scale, num_buckets=40)
    given = probes(np.concatenate([LEARNED[name], thresholds(buckets)]))
    found = run(lambda values: bucket_codes(values, [buckets]), given[:, None])
    np.testing.assert_array_equal(found[:, 0], buckets.codes(given))


@pytest.mark.parametrize("name", LEARNED)
def test_every_number_has_the_position_of_training(name: str) -> None:
    fitted = Positions.fit(LEARNED[name])
    given = probes(LEARNED[name])
    found = run(lambda values: positions(values, [fitted]), given[:, None])
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found[:, 0], fitted.positions(given))


def test_columns_of_different_resolution_stand_side_by_side() -> None:
    every = [Positions.fit(values) for values in LEARNED.values()]
    given = np.column_stack([probes(LEARNED["many"])] * len(every))
    found = run(lambda values: positions(values, every), given)
    expected = np.column_stack([fitted.positions(given[:, 0]) for fitted in every])
    np.testing.assert_array_equal(found, expected)


def test_a_threshold_is_the_first_number_of_its_bucket() -> None:
    buckets = Buckets.fit(LEARNED["both_signs"], scale=BucketScale.LOG, num_buckets=40)
    found = thresholds(buckets)
    assert (np.diff(found) > 0).all()
    assert (buckets.scaled(found) >= buckets.edges).all()
    assert (buckets.scaled(np.nextafter(found, -np.inf)) < buckets.edges).all()
