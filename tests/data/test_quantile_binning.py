from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, strategies as st

from autofi.data.quantile_binning import Buckets, BucketScale, NumberSample, Positions, spread

FLOATS = st.floats(-1e12, 1e12)


def slow_position(borders: list[float], x: float) -> float:
    if x <= borders[0]:
        return 0.0
    for t, (low, high) in enumerate(pairwise(borders)):
        if low <= x < high:
            return t + (x - low) / (high - low)
    return float(len(borders) - 1)


@given(st.lists(FLOATS, min_size=1, max_size=80), st.lists(FLOATS, min_size=1, max_size=20))
def test_positions_equal_a_loop_over_the_borders(train: list[float], others: list[float]) -> None:
    fitted = Positions.fit(np.array(train))
    borders = fitted.borders.tolist()
    assert borders == sorted(set(borders))
    assert set(borders) <= set(train)
    assert fitted.bins == len(borders) - 1 <= 32
    values = np.array([*train, *others])
    positions = fitted.positions(values)
    assert positions.dtype == np.float32
    assert positions.tolist() == pytest.approx([slow_position(borders, x) for x in values], abs=1e-4)


def test_positions_rise_with_the_value_and_end_at_the_borders() -> None:
    fitted = Positions.fit(np.random.default_rng(0).lognormal(size=10_000))
    assert fitted.bins == 32
    positions = fitted.positions(np.sort(np.random.default_rng(1).lognormal(size=500)))
    assert (np.diff(positions) >= 0).all()
    outside = fitted.positions(np.array([-math.inf, -5.0, math.inf, 1e300, math.nan]))
    assert outside[:4].tolist() == [0, 0, 32, 32]
    assert np.isnan(outside[4])


def test_quantile_borders_hold_equal_shares() -> None:
    values = np.random.default_rng(0).normal(size=32_000)
    shares = np.histogram(values, bins=Positions.fit(values).borders)[0]
    assert abs(shares - 1000).max() <= 2


@pytest.mark.parametrize("values", [[], [3.0], [3.0, 3.0]])
def test_too_few_values_leave_one_position(values: list[float]) -> None:
    fitted = Positions.fit(np.array(values))
    assert fitted.bins == 0
    assert fitted.positions(np.array([1.0, 9.0])).tolist() == [0.0, 0.0]
    assert np.isnan(fitted.positions(np.array([math.nan]))).all()


def test_a_column_that_is_mostly_zero_keeps_its_resolution_elsewhere() -> None:
    values = np.concatenate([np.zeros(9500), np.arange(1, 501, dtype=float)])
    borders = Positions.fit(values).borders
    assert len(borders) == 33
    assert np.diff(borders[1:]).max() < 25


@given(st.lists(st.integers(-20, 20), max_size=200), st.integers(1, 12), st.booleans())
def test_spread_values_are_distinct_values_and_as_many_as_there_may_be(
    values: list[int], size: int, ends: bool
) -> None:
    size += ends  # both ends need a place
    chosen = spread(np.array(values, dtype=float), size, ends=ends)
    distinct = sorted(set(values))
    assert chosen.tolist() == sorted(set(chosen.tolist()))
    assert set(chosen.tolist()) <= set(distinct)
    assert len(chosen) == min(size, len(distinct))
    if distinct:
        assert chosen[0] == distinct[0]
        assert not ends or chosen[-1] == distinct[-1]


@pytest.mark.parametrize("scale", list(BucketScale))
@given(values=st.lists(FLOATS, min_size=1, max_size=60), num_buckets=st.integers(2, 8))
def test_bucket_codes_rise_with_the_value(scale: BucketScale, values: list[float], num_buckets: int) -> None:
    buckets = Buckets.fit(np.array(values), scale=scale, num_buckets=num_buckets)
    codes = buckets.codes(np.sort(np.array(values)))
    assert (np.diff(codes) >= 0).all()
    assert set(codes.tolist()) == set(range(2, buckets.cardinality))
    assert buckets.cardinality <= num_buckets + 2
    assert buckets.codes(np.array([math.nan, -math.inf, math.inf])).tolist() == [
        0,
        2,
        buckets.cardinality - 1,
    ]


def test_few_values_have_a_bucket_each() -> None:
    buckets = Buckets.fit(np.array([5.0, 1.0, 5.0, 9.0]), scale=BucketScale.QUANTILE, num_buckets=32)
    assert buckets.edges.tolist() == [-1.0, 3.0, 7.0]  # midway between values
    assert buckets.codes(np.array([-9.0, 1.0, 2.9, 5.0, 6.9, 9.0, 70.0])).tolist() == [2, 2, 2, 3, 3, 4, 4]


def test_log_buckets_are_those_of_the_criteo_winners() -> None:
    values = np.array([-9.0, -1.0, 0.0, 0.5, 1.0, 2.0, 3.0, 10.0, 1e6])
    expected = [-(3 + math.floor(math.log(9) ** 2)), -1, 0, 0, 1, 2]
    expected += [3 + math.floor(math.log(x) ** 2) for x in (3, 10, 1e6)]
    order = sorted(set(expected))
    buckets = Buckets.fit(values, scale=BucketScale.LOG, num_buckets=100)
    assert buckets.codes(values).tolist() == [2 + order.index(bucket) for bucket in expected]


def test_without_training_numbers_every_number_is_out_of_vocabulary() -> None:
    buckets = Buckets.fit(np.array([]), scale=BucketScale.QUANTILE, num_buckets=8)
    assert buckets.cardinality == 2
    assert buckets.codes(np.array([1.0, math.nan])).tolist() == [1, 0]


def test_the_sample_does_not_depend_on_the_batches() -> None:
    stream = np.random.default_rng(0).permutation(5000).astype(float)
    stream[::10] = math.nan
    samples = []
    for size in (1, 700, 5000):
        sample = NumberSample(seed=4, rows=200)
        for start in range(0, 5000, size):
            sample.add(stream[start : start + size])
        samples.append(np.sort(sample.values()))
    assert len(samples[0]) == 200
    assert not np.isnan(samples[0]).any()
    assert (samples[0] == samples[1]).all()
    assert (samples[0] == samples[2]).all()
    assert abs(samples[0].mean() - 2500) < 400


def test_a_short_stream_is_kept_whole() -> None:
    sample = NumberSample(seed=0)
    sample.add(np.array([2.0, math.nan, 1.0]))
    assert sorted(sample.values().tolist()) == [1.0, 2.0]
    assert NumberSample(seed=0).values().tolist() == []
