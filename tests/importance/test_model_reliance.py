"""Reliances: nothing for a field that is not read, sums where effects add up, less than sums where they do not."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from autofi.errors import ConfigError
from autofi.importance.interaction_scores import estimate
from autofi.importance.model_reliance import Measure, interaction, reliances
from tests.rashomon.networks import NAMES, additive, built, interacting

GROUPS = [group for order in (1, 2, 3) for group in combinations(range(len(NAMES)), order)]
MEASURES: tuple[Measure, ...] = ("logloss", "covariance", "logit")


@pytest.mark.parametrize("measure", MEASURES)
def test_a_model_does_not_rely_on_a_field_it_does_not_read(measure: Measure) -> None:
    network, shuffles = built(additive(("a", "b", "d")))
    (phi,) = reliances([network], network, shuffles, GROUPS, measure=measure)
    assert not phi[(2,)].any()
    assert phi[(0,)].any()
    for pair in ((0, 2), (1, 2), (2, 3)):
        assert not interaction(phi, pair).any()


def test_effects_that_add_up_in_the_logit_have_covariance_scores_of_nothing() -> None:
    network, shuffles = built(additive())
    (phi,) = reliances([network], network, shuffles, GROUPS, measure="covariance")
    for group in GROUPS:
        if len(group) > 1:
            assert interaction(phi, group) == pytest.approx(0.0, abs=1e-6)


def test_effects_that_add_up_in_the_logit_have_logit_scores_of_nothing_within_their_interval() -> None:
    network, shuffles = built(additive(("a", "b")), size=70, repeats=4)
    (phi,) = reliances([network], network, shuffles, [(0,), (1,), (0, 1)], measure="logit")
    found = estimate(interaction(phi, (0, 1)))
    assert found.holds(0.0)
    assert found.high - found.low < phi[(0,)].mean() + phi[(1,)].mean()


@pytest.mark.parametrize("measure", ["covariance", "logit"])
def test_a_product_has_the_largest_score_beside_a_sum(measure: Measure) -> None:
    network, shuffles = built(interacting())
    (phi,) = reliances([network], network, shuffles, GROUPS, measure=measure)
    sizes = {pair: abs(interaction(phi, pair).mean()) for pair in combinations(range(len(NAMES)), 2)}
    assert max(sizes, key=sizes.__getitem__) == (2, 3)


def test_rows_count_by_their_weight() -> None:
    network, shuffles = built(additive(), size=50, repeats=2, weighted=True)
    (phi,) = reliances([network], network, shuffles, [(0,)])
    draw = shuffles.draw

    def each(chosen: tuple[int, ...]) -> np.ndarray:
        z = network(network.select(shuffles.features(chosen))).detach().numpy().astype(np.float64)
        p = 1 / (1 + np.exp(-z))
        return -np.log(np.where(draw.labels > 0, p, 1 - p))

    moved = (each((0,)) - each(())).reshape(2, 50)
    assert draw.rows.weights is not None
    weights = draw.rows.weights.reshape(2, 50)
    expected = [np.average(block, weights=weighed) for block, weighed in zip(moved, weights, strict=True)]
    assert phi[(0,)] == pytest.approx(expected, abs=1e-6)


def test_an_unknown_measure_is_refused_with_the_nearest() -> None:
    network, shuffles = built(additive(), size=20, repeats=2)
    with pytest.raises(ConfigError, match="did you mean 'logloss'"):
        reliances([network], network, shuffles, [(0,)], measure="logloos")  # type: ignore[arg-type]
