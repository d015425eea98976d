"""An ensemble is the weighted mean of its members' probabilities, read from the features of one builder."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from autofi.data.features import Features
from autofi.errors import InvalidArchitectureError
from autofi.evaluation.cost import measure_costs
from autofi.model.build import shared_builder
from autofi.model.ensemble import Ensemble
from autofi.model.ensemble_head import mean_logit
from autofi.readers import open_table
from tests.export.ensembles import ARCHITECTURES, WEIGHTS, EnsembleModel, make_ensemble
from tests.export.models import make_unseen


@pytest.fixture(scope="module")
def model() -> EnsembleModel:
    return make_ensemble()


@pytest.fixture(scope="module")
def features(model: EnsembleModel) -> Features:
    (encoded,) = model.builder.encoder.transform(open_table(make_unseen(400)))
    return model.builder.of_rows(encoded)


def probabilities(model: torch.nn.Module, features: Features) -> np.ndarray:
    with torch.no_grad():
        found: np.ndarray = model(model.select(features)).double().sigmoid().numpy()  # type: ignore[operator]
    return found


def test_probability_is_the_weighted_mean_of_the_members(model: EnsembleModel, features: Features) -> None:
    wanted = np.zeros(len(features))
    for network, weight in zip(model.networks, WEIGHTS, strict=True):
        wanted += weight * probabilities(network, features)
    np.testing.assert_allclose(probabilities(model.ensemble(), features), wanted, atol=1e-6)


@pytest.mark.parametrize("place", range(len(ARCHITECTURES)))
def test_ensemble_of_one_is_that_one(place: int, model: EnsembleModel, features: Features) -> None:
    alone = model.networks[place]
    found = probabilities(Ensemble([alone], [1.0]), features)
    np.testing.assert_allclose(found, probabilities(alone, features), atol=1e-7)


def test_order_of_members_does_not_matter(model: EnsembleModel, features: Features) -> None:
    turned = Ensemble(model.networks[::-1], WEIGHTS[::-1])
    wanted = probabilities(model.ensemble(), features)
    np.testing.assert_allclose(probabilities(turned, features), wanted, atol=1e-7)


def test_large_logits_stay_finite() -> None:
    logits, weights = torch.tensor([[90.0, 80.0], [-90.0, -100.0], [60.0, -60.0]]), torch.tensor([0.25, 0.75])
    found = mean_logit(logits, weights.log())
    # Of the odds against a click, of the odds for one, and of a mean of 0 and 1.
    against, clicked = (
        0.25 * math.exp(-90) + 0.75 * math.exp(-80),
        0.25 * math.exp(-90) + 0.75 * math.exp(-100),
    )
    wanted = [-math.log(against), math.log(clicked), math.log(0.25 / 0.75)]
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-5)


def test_costs_are_those_of_all_members_with_shared_vocabularies_once(model: EnsembleModel) -> None:
    members = model.networks[:2]
    ensemble = Ensemble(members, [0.5, 0.5])
    both = measure_costs(ensemble, shared_builder(ARCHITECTURES[:2], model.builder, ensemble))
    alone = [
        measure_costs(network, shared_builder([architecture], model.builder, network))
        for architecture, network in zip(ARCHITECTURES[:2], members, strict=True)
    ]
    assert both.parameters == sum(costs.parameters for costs in alone)
    assert both.flops == sum(costs.flops for costs in alone)
    assert ensemble.table_bytes() == sum(network.table_bytes() for network in members)
    assert ensemble.table_rows() == sum(network.table_rows() for network in members)
    # They read different crosses and target encodings.
    vocabularies = model.builder.encoder.vocabulary_bytes
    assert both.table_bytes == sum(costs.table_bytes for costs in alone) - vocabularies


@pytest.mark.parametrize(
    "weights", [(), (1.0,), (0.5, 0.6), (1.5, -0.5), (math.nan, 1.0), (0.0, 1.0)], ids=str
)
def test_weights_that_are_no_shares_are_refused(weights: Sequence[float], model: EnsembleModel) -> None:
    with pytest.raises(InvalidArchitectureError, match="ensemble"):
        Ensemble(model.networks[:2], weights)
