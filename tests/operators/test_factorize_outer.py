"""The outer product of two embeddings under a kernel per pair."""

from __future__ import annotations

import numpy as np
import torch

from autofi.operators.registry import get_operator
from tests.operators.examples import KEPT, SIZES, build, random_features, shapes_for

FEATURES = random_features(60)
SHAPES = shapes_for(FEATURES)
SLOTS = [(1, 3), (0, 4), (0, 1)]


def test_every_entry_of_the_outer_product_has_a_weight_per_pair() -> None:
    operator = build("factorize_outer", SLOTS, SHAPES)
    fields = [0, 1, 3, 4]
    starts = {field: sum(KEPT[f] for f in fields[:position]) for position, field in enumerate(fields)}
    table = operator.tables()[0].detach().numpy().astype(np.float64)
    kernels = operator.get_parameter("kernels").detach().numpy().astype(np.float64)
    expected = []
    for ids in FEATURES.ids:
        row: list[float] = []
        for pair, kernel in zip(SLOTS, kernels, strict=True):
            left, right = (
                table[starts[field] + (ids[field] if ids[field] < KEPT[field] else 1)] for field in pair
            )
            row.append(
                sum(
                    left[a] * kernel[a][b] * right[b]
                    for a in range(SIZES.factor_dim)
                    for b in range(SIZES.factor_dim)
                )
            )
        expected.append(row)
    out = operator(operator.select(FEATURES)).detach().numpy()
    np.testing.assert_allclose(out, np.array(expected), rtol=1e-4, atol=1e-5)


def test_it_begins_as_the_inner_product() -> None:
    outer, inner = (
        get_operator(name)(SLOTS, SHAPES, SIZES) for name in ("factorize_outer", "factorize_inner")
    )
    with torch.no_grad():
        outer.tables()[0].copy_(inner.tables()[0])
    selected = inner.select(FEATURES)
    torch.testing.assert_close(outer(selected), inner(selected))
