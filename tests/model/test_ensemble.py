"""An ensemble is the weighted mean of its members' probabilities, read from the features of one builder."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from autofi.data.boosted_trees import BoostedTrees, Boosting
from autofi.data.encode import encode
from autofi.data.feature_builder import FeatureBuilder, build_features
from autofi.data.features import Features
from autofi.data.planted import PlantedSpec, generate
from autofi.data.schema_inference import infer_schema
from autofi.errors import InvalidArchitectureError
from autofi.evaluation.cost import measure_costs
from autofi.model.build import build_network, shared_builder
from autofi.model.ensemble import Ensemble
from autofi.model.network import Network
from autofi.operators.base import Sizes
from autofi.readers import open_table
from autofi.space.architecture import Architecture
from autofi.space.head_config import HeadSizes

BOOSTING = Boosting(leaves=4, learning_rate=0.3)
#: They read different pairs; the second has no trees, and the third has trees alone.
ARCHITECTURES = (
    Architecture(
        fields={"site": ("embedding",), "hour": ("embedding",)},
        pairs={("site", "ad"): ("memorize_embedding",), ("hour", "city"): ("memorize_statistics",)},
        sizes=Sizes(embedding_dim=4),
        head=HeadSizes(hidden=(8,)),
        boosting=BOOSTING,
        streams={"fm": {}},
    ),
    Architecture(
        fields={"device": ("embedding",), "site": ("embedding",)},
        pairs={("device", "category"): ("memorize_embedding", "factorize_inner")},
        sizes=Sizes(embedding_dim=4),
        head=HeadSizes(hidden=(6,)),
        min_count=3,
    ),
    Architecture(fields={}, pairs={}, boosting=BOOSTING),
)


@pytest.fixture(scope="module")
def built() -> tuple[FeatureBuilder, Features]:
    """A builder of everything that the members read, and the features of held-out rows."""
    table = open_table(generate(PlantedSpec(rows=3000)).table)
    dataset = encode(table, infer_schema(table, target="click").schema)
    pairs = [(left, right) for right in range(len(dataset.encoder.fields)) for left in range(right)]
    builder, _ = build_features(dataset, pairs)
    read = builder.statistics.subset(ARCHITECTURES[0].boosted_columns(dataset.encoder.schema.names))
    trees = BoostedTrees.fit(BOOSTING, dataset.rows("train"), read, seed=0)
    builder = dataclasses.replace(builder, boosted=trees)
    return builder, builder.of_rows(dataset.rows("valid"))


def networks(builder: FeatureBuilder, count: int = 3) -> list[Network]:
    found = []
    for seed, architecture in enumerate(ARCHITECTURES[:count]):
        network = build_network(architecture, builder, seed=seed)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.copy_(0.4 * torch.randn(parameter.shape, generator=generator))
        if network.boosted_weights is not None:
            network.boosted_weights.copy_(torch.tensor([0.8, 0.5 + seed, -0.2]))
        found.append(network.eval())
    return found


def probabilities(model: torch.nn.Module, features: Features) -> np.ndarray:
    with torch.no_grad():
        found: np.ndarray = model(model.select(features)).double().sigmoid().numpy()  # type: ignore[operator]
    return found


def test_probability_is_the_weighted_mean_of_the_members(built: tuple[FeatureBuilder, Features]) -> None:
    builder, features = built
    members, weights = networks(builder), (0.5, 0.2, 0.3)
    wanted = np.zeros(len(features))
    for network, weight in zip(members, weights, strict=True):
        wanted += weight * probabilities(network, features)
    np.testing.assert_allclose(probabilities(Ensemble(members, weights), features), wanted, atol=1e-6)


@pytest.mark.parametrize("place", range(3))
def test_ensemble_of_one_is_that_one(place: int, built: tuple[FeatureBuilder, Features]) -> None:
    builder, features = built
    alone = networks(builder)[place]
    found = probabilities(Ensemble([alone], [1.0]), features)
    np.testing.assert_allclose(found, probabilities(alone, features), atol=1e-7)


def test_order_of_members_does_not_matter(built: tuple[FeatureBuilder, Features]) -> None:
    builder, features = built
    members, weights = networks(builder), (0.5, 0.2, 0.3)
    turned = Ensemble(members[::-1], weights[::-1])
    np.testing.assert_allclose(
        probabilities(turned, features), probabilities(Ensemble(members, weights), features), atol=1e-7
    )


def test_large_logits_stay_finite() -> None:
    from autofi.model.ensemble_head import mean_logit

    logits, weights = torch.tensor([[90.0, 80.0], [-90.0, -100.0], [60.0, -60.0]]), torch.tensor([0.25, 0.75])
    found = mean_logit(logits, weights.log())
    # Of the odds against a click, of the odds for one, and of a mean of 0 and 1.
    wanted = [80 - math.log(0.75), -90 + math.log(0.25), math.log(0.25 / 0.75)]
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-5)


def test_costs_are_those_of_all_members_with_shared_preprocessing_once(
    built: tuple[FeatureBuilder, Features],
) -> None:
    builder, _ = built
    members = networks(builder, 2)
    ensemble = Ensemble(members, [0.5, 0.5])
    both = measure_costs(ensemble, shared_builder(ARCHITECTURES[:2], builder, ensemble))
    alone = [
        measure_costs(network, shared_builder([architecture], builder, network))
        for architecture, network in zip(ARCHITECTURES[:2], members, strict=True)
    ]
    assert both.parameters == sum(costs.parameters for costs in alone)
    assert both.flops == sum(costs.flops for costs in alone)
    assert ensemble.table_bytes() == sum(network.table_bytes() for network in members)
    # Vocabularies are shared, so that together they cost less than one by one.
    vocabularies = builder.encoder.vocabulary_bytes
    assert both.table_bytes == sum(costs.table_bytes for costs in alone) - vocabularies


@pytest.mark.parametrize(
    "weights", [(), (1.0,), (0.5, 0.6), (1.5, -0.5), (math.nan, 1.0), (0.0, 1.0)], ids=str
)
def test_weights_that_are_no_shares_are_refused(
    weights: Sequence[float], built: tuple[FeatureBuilder, Features]
) -> None:
    with pytest.raises(InvalidArchitectureError, match="ensemble"):
        Ensemble(networks(built[0], 2), weights)
