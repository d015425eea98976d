"""Construction of a network from an architecture and fitted data."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import torch

from autofi.data.encoder import Encoder
from autofi.data.feature_builder import FeatureBuilder
from autofi.data.features import Column, Pair
from autofi.data.schema import FieldKind
from autofi.model.network import Network
from autofi.operators.base import Shapes
from autofi.space.architecture import Architecture


def encoded_shapes(encoder: Encoder, *, min_count: int) -> Shapes:
    """Return the sizes that an encoder alone gives, without crosses and target encodings."""
    names = encoder.schema.names
    kept = []
    for field, counts in zip(encoder.schema.fields, encoder.counts, strict=True):
        # Buckets of a number cannot be rare values.
        frequent = counts[2:] >= (0 if field.kind is FieldKind.NUMERIC else min_count)
        kept.append(2 + int(np.sum(frequent)))
    where = {name: position for position, name in enumerate(names)}
    return Shapes(
        names=tuple(names),
        cardinalities=encoder.cardinalities,
        kept=tuple(kept),
        prior=math.nan,
        number_fields=tuple(where[name] for name in encoder.number_fields),
        number_bins=encoder.number_bins,
        bags={where[name]: (name, rows) for name, rows in encoder.bag_cardinalities.items()},
        counts=tuple(encoder.counts),
    )


def shapes_of(builder: FeatureBuilder, *, min_count: int, cross_min_count: int) -> Shapes:
    """Return the sizes that operators are built from, without values and cells rarer than the minimum counts."""
    return dataclasses.replace(
        encoded_shapes(builder.encoder, min_count=min_count),
        cross_rows=dict(zip(builder.crosses.pairs, builder.crosses.sizes_at(cross_min_count), strict=True)),
        prior=builder.statistics.prior,
        log_counts=builder.log_counts,
    )


def build_network(architecture: Architecture, builder: FeatureBuilder, *, seed: int) -> Network:
    """Return a network with initial weights, which depend on the seed only."""
    crosses = builder.crosses.subset(used_columns(architecture, tuple(builder.encoder.schema.names))[0])
    shapes = shapes_of(
        builder,
        min_count=architecture.min_count,
        cross_min_count=max(
            architecture.cross_min_count, crosses.min_count_within(architecture.cross_max_rows)
        ),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Network(
            architecture.layout(shapes.names),
            shapes,
            architecture.sizes,
            architecture.head,
            streams=architecture.streams,
            field_sum=architecture.field_sum,
            boosted=bool(architecture.boosting),
            bias=math.log(shapes.prior / (1 - shapes.prior)),
        )


def used_builder(architecture: Architecture, builder: FeatureBuilder, network: Network) -> FeatureBuilder:
    """Return a builder of only the features that the network reads; without boosted trees if they have no weight."""
    crosses, columns = used_columns(architecture, tuple(builder.encoder.schema.names))
    return builder.subset(crosses, columns, boosted=network.boosted)


def used_columns(architecture: Architecture, names: tuple[str, ...]) -> tuple[list[Pair], list[Column]]:
    """Return the crosses and the target encodings that a network of this architecture reads."""
    layout = architecture.layout(names)
    crosses = [(slot[0], slot[1]) for slot in layout.get("memorize_embedding", [])]
    statistics = [*layout.get("statistics", []), *layout.get("memorize_statistics", [])]
    return crosses, list(dict.fromkeys(statistics))
