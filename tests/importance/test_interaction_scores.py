"""Estimates and clouds."""

from __future__ import annotations

import math

import numpy as np
import pytest

from autofi.importance.interaction_scores import Estimate, ScoredModel, clouds, estimate


def test_the_interval_of_one_model_is_students() -> None:
    found = estimate(np.array([1.0, 2.0, 4.0]))
    half = 4.302653 * math.sqrt(7 / 3 / 3)  # t of two degrees of freedom
    assert found.mean == pytest.approx(7 / 3)
    assert (found.low, found.high) == pytest.approx((7 / 3 - half, 7 / 3 + half), rel=1e-6)


def test_models_that_differ_widen_the_interval() -> None:
    values = np.array([[1.0, 2.0, 4.0], [1.0, 2.0, 4.0]])
    same, apart = estimate(values), estimate(values + np.array([[0.0], [3.0]]))
    assert (same.low, same.high) == pytest.approx((estimate(values[0]).low, estimate(values[0]).high))
    assert apart.high - apart.low > same.high - same.low


def test_what_does_not_vary_has_no_width() -> None:
    assert estimate(np.array([2.0, 2.0])) == Estimate(2.0, 2.0, 2.0)


def scored(name: str, score: float, other: float, **factors: float) -> ScoredModel:
    def of(value: float) -> Estimate:
        return Estimate(value, value - 1, value + 1)

    return ScoredModel(
        name=name,
        kind="masked" if factors else "winner",
        loss=of(0.5),
        phi={"a": of(score)},
        fis={("a", "b"): of(score), ("b", "c"): of(other)},
        factors=factors,
    )


def test_a_cloud_is_what_all_models_say_and_trained_ones_rank() -> None:
    models = [scored("one", -3.0, 1.0), scored("two", -1.0, 2.0), scored("a × 2", 9.0, 30.0, a=2.0)]
    first, second = clouds(models, 2)
    assert first.names == ("a", "b")
    assert (first.low, first.high, first.mean, first.models) == (-3.0, 9.0, -2.0, 3)
    assert first.reference.mean == -3.0
    assert second.names == ("b", "c")
    assert second.mean == 1.5
    assert [cloud.names for cloud in clouds(models, 1)] == [("a",)]
    assert clouds(models, 3) == []


def test_a_model_is_read_as_it_was_written() -> None:
    model = scored("one", -3.0, 1.0, a=0.5)
    assert ScoredModel.from_json(model.to_json()) == model
