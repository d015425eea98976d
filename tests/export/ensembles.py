"""An ensemble whose members read different fields and pairs, one of them without trees and one with trees alone."""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch

from autofi.bundle.bundle import write_bundle
from autofi.bundle.ensemble_file import Member
from autofi.data.boosted_trees import Boosting
from autofi.data.encode import encode
from autofi.data.feature_builder import FeatureBuilder, build_features
from autofi.data.schema_inference import infer_schema
from autofi.data.schema_overrides import SchemaOverrides
from autofi.model.build import build_network
from autofi.model.ensemble import Ensemble
from autofi.model.network import Network
from autofi.operators.base import Sizes
from autofi.readers import open_table
from autofi.space.architecture import Architecture
from autofi.space.head_config import HeadSizes
from tests.export.models import METRICS, ORIGIN, crosses_of, grown_trees, make_table

BOOSTING = Boosting(leaves=4, learning_rate=0.3)
ARCHITECTURES = (
    Architecture(
        fields={"site": ("embedding",), "price": ("embedding", "piecewise_linear"), "hour": ("embedding",)},
        pairs={("site", "ad"): ("memorize_embedding",), ("hour", "city"): ("memorize_statistics",)},
        sizes=Sizes(embedding_dim=4),
        head=HeadSizes(hidden=(8,)),
        boosting=BOOSTING,
        streams={"fm": {}},
    ),
    Architecture(
        fields={"tags": ("bag",), "site": ("embedding",)},
        pairs={("device", "category"): ("memorize_embedding", "factorize_inner")},
        sizes=Sizes(embedding_dim=6),
        head=HeadSizes(hidden=(6,)),
        min_count=3,
    ),
    Architecture(fields={}, pairs={}, boosting=BOOSTING),
)
WEIGHTS = (0.5, 0.3, 0.2)


@dataclass(frozen=True, eq=False)
class EnsembleModel:
    """All that goes into a bundle; the builder has the crosses and statistics of all pairs."""

    builder: FeatureBuilder
    networks: tuple[Network, ...]
    members: tuple[Member, ...]

    def ensemble(self) -> Ensemble:
        return Ensemble(self.networks, [member.weight for member in self.members])

    def write(self, directory: Path) -> None:
        write_bundle(
            directory,
            architecture=ARCHITECTURES[0],
            builder=self.builder,
            network=self.ensemble(),
            metrics=METRICS,
            origin=ORIGIN,
            members=self.members,
        )

    def probabilities(self, table: pa.Table) -> npt.NDArray[np.float64]:
        """The weighted mean, network by network."""
        (encoded,) = self.builder.encoder.transform(open_table(table))
        features = self.builder.of_rows(encoded)
        found = np.zeros(len(encoded))
        with torch.no_grad():
            for network, member in zip(self.networks, self.members, strict=True):
                logits = network(network.select(features)).double().numpy()
                found += member.weight / (1.0 + np.exp(-logits))
        return found


@functools.cache
def make_ensemble() -> EnsembleModel:
    table = open_table(make_table(3000, seed=1))
    schema = infer_schema(table, target="click", overrides=SchemaOverrides(multi_valued={"tags": "|"})).schema
    dataset = encode(table, schema)
    names = schema.names
    pairs = [(left, right) for right in range(len(names)) for left in range(right)]
    builder, _ = build_features(dataset, pairs)
    trees = grown_trees(dataset, BOOSTING, crosses_of(dataset), threads=1)
    builder = dataclasses.replace(builder, boosted=trees)
    networks = tuple(_drawn(one, builder, seed) for seed, one in enumerate(ARCHITECTURES))
    members = tuple(
        Member(architecture, weight, trial=number, seed=number)
        for number, (architecture, weight) in enumerate(zip(ARCHITECTURES, WEIGHTS, strict=True))
    )
    return EnsembleModel(builder, networks, members)


def _drawn(architecture: Architecture, builder: FeatureBuilder, seed: int) -> Network:
    network = build_network(architecture, builder, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(0.4 * torch.randn(parameter.shape, generator=generator))
    if network.boosted_weights is not None:
        network.boosted_weights.copy_(torch.tensor([0.8, 0.5 + seed / 4, -0.2]))
    return network.eval()
