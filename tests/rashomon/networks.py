"""Rows of a small table, and networks that are trained on nothing: what is shuffled and masked is plain to see."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pyarrow as pa
import torch

from autofi.data.encode import encode
from autofi.data.encoded_rows import EncodedRows
from autofi.data.feature_builder import FeatureBuilder, build_features
from autofi.data.schema_inference import infer_schema
from autofi.importance.permuted_rows import Draw, Shuffles, draw_rows
from autofi.model.build import build_network
from autofi.model.network import Network
from autofi.operators.base import Sizes
from autofi.readers import open_table
from autofi.space.architecture import Architecture
from autofi.space.head_config import HeadSizes

NAMES = ("a", "b", "c", "d")


def clicks(rows: int = 3000, seed: int = 0) -> pa.Table:
    """Four independent fields; clicks follow `a`, `b` and whether `c` and `d` agree."""
    generator = np.random.default_rng(seed)
    codes = generator.integers(0, 6, (rows, len(NAMES)))
    logits = (
        0.5 * (codes[:, 0] - 2.5) - 0.4 * (codes[:, 1] - 2.5) + 1.5 * (codes[:, 2] % 2 == codes[:, 3] % 2)
    )
    columns = {name: [f"{name}{code}" for code in codes[:, place]] for place, name in enumerate(NAMES)}
    clicked = generator.random(rows) < 1 / (1 + np.exp(-(logits - 0.75)))
    return pa.table({**columns, "click": pa.array(clicked.astype(np.int8))})


def built(
    architecture: Architecture, *, size: int = 200, repeats: int = 4, weighted: bool = False
) -> tuple[Network, Shuffles]:
    """The architecture with random weights, and its shuffles of validation rows."""
    table = open_table(clicks())
    dataset = encode(table, infer_schema(table, target="click").schema)
    builder, _ = build_features(dataset, list(combinations(range(len(NAMES)), 2)))
    rows = dataset.rows("valid")
    if weighted:
        weights = np.random.default_rng(5).random(len(rows)).astype(np.float32)
        rows = replace(rows, weights=weights)
    network = random_network(architecture, builder)
    return network, Shuffles(drawn(rows, size=size, repeats=repeats), builder)


def drawn(rows: EncodedRows, *, size: int, repeats: int) -> Draw:
    return draw_rows(rows, size=size, repeats=repeats, seed=3)


def random_network(architecture: Architecture, builder: FeatureBuilder) -> Network:
    network = build_network(architecture, builder, seed=1)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(0.5 * torch.randn(parameter.shape, generator=generator))
    return network.eval().requires_grad_(False)


def additive(names: tuple[str, ...] = NAMES) -> Architecture:
    """Its logit is a sum over fields."""
    return Architecture(
        fields=dict.fromkeys(names, ("embedding",)),
        sizes=Sizes(4),
        head=HeadSizes(name="linear", hidden=()),
    )


def interacting() -> Architecture:
    """The same, and one product."""
    return replace(additive(), pairs={("c", "d"): ("factorize_hadamard",)})
