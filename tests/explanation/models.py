"""A small table of known cells, and networks for it that memorize some pairs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from autofi.bundle.bundle import Bundle, load_bundle, write_bundle
from autofi.data.dataset import EncodedDataset
from autofi.data.encode import encode
from autofi.data.feature_builder import build_features
from autofi.data.schema_inference import infer_schema
from autofi.data.schema_overrides import SchemaOverrides
from autofi.model.build import build_network
from autofi.operators.base import Sizes
from autofi.readers import open_table
from autofi.space.architecture import Architecture
from autofi.space.head_config import HeadSizes

ROWS = 600
LINEAR = HeadSizes(name="linear")
#: Cells of a pair, and values of a field, that training saw less often share a row.
MIN_COUNT, CROSS_MIN_COUNT = 5, 6
PAIRS = {
    ("city", "site"): ("memorize_embedding",),
    ("city", "hour"): ("memorize_embedding", "memorize_statistics"),
    ("hour", "site"): ("factorize_hadamard",),
}


@dataclass(frozen=True)
class ObservedTrial:
    """A written bundle and what it was made of; `train` has the training rows as they were read."""

    bundle: Bundle
    folder: Path
    dataset: EncodedDataset


def table(rows: int = ROWS, *, seed: int = 0) -> pa.Table:
    """Skewed values, so that some cells are frequent and others rare."""
    generator = np.random.default_rng(seed)

    def drawn(name: str, values: int) -> list[str]:
        return [f"{name}{number}" for number in np.minimum(generator.geometric(0.3, rows), values)]

    price = generator.lognormal(size=rows).round(2)
    return pa.table(
        {
            "city": drawn("c", 12),
            "site": drawn("s", 15),
            "hour": drawn("h", 8),
            "price": pa.array(price, mask=generator.random(rows) < 0.1),
            "tags": ["|".join(generator.choice(list("abcd"), 2, replace=False)) for _ in range(rows)],
            "click": generator.integers(0, 2, rows),
        }
    )


def make(
    folder: Path, *, head: HeadSizes = LINEAR, streams: Mapping[str, Mapping[str, Any]] | None = None
) -> ObservedTrial:
    """A bundle with weights as after a training."""
    source = open_table(table())
    overrides = SchemaOverrides(multi_valued={"tags": "|"})
    schema = infer_schema(source, target="click", overrides=overrides).schema
    dataset = encode(source, schema)
    names = list(schema.names)
    # As in the data: an architecture's pairs are.
    pairs = [tuple(sorted((names.index(left), names.index(right)))) for left, right in PAIRS]
    builder, _ = build_features(dataset, [(left, right) for left, right in pairs])
    architecture = Architecture(
        fields={
            "city": ("embedding", "statistics"),
            "site": ("embedding",),
            "hour": ("embedding",),
            "price": ("piecewise_linear",),
            "tags": ("bag",),
        },
        pairs={
            (names[left], names[right]): forms
            for (left, right), forms in zip(pairs, PAIRS.values(), strict=True)
        },
        sizes=Sizes(embedding_dim=4, cross_dim=3, factor_dim=4),
        head=head,
        streams=streams or {},
        min_count=MIN_COUNT,
        cross_min_count=CROSS_MIN_COUNT,
    )
    network = build_network(architecture, builder, seed=1).eval()
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=generator)
    write_bundle(folder, architecture=architecture, builder=builder, network=network, metrics={}, origin={})
    return ObservedTrial(load_bundle(folder), folder, dataset)
