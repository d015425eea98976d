"""ONN's MLP over copies and field-aware products."""

from __future__ import annotations

import numpy as np

from tests.operators.stream_examples import build, codes, vectors, weight
from tests.operators.test_ffm import aware_products


def test_the_mlp_reads_vectors_and_products() -> None:
    stream = build("onn", {"dim": 2, "hidden": (5, 4)})
    table = weight(stream, "products.table")
    expected = []
    for fields, row in zip(vectors().numpy().astype(np.float64), codes().tolist(), strict=True):
        columns = np.array([*fields.flatten(), *aware_products(table, row, 2)])
        for place in (0, 2, 4):
            columns = weight(stream, f"mlp.{place}.weight") @ columns + weight(stream, f"mlp.{place}.bias")
            if place < 4:
                columns = np.maximum(columns, 0)
        expected.append(float(columns[0]))
    np.testing.assert_allclose(stream(vectors(), codes()).detach(), expected, rtol=1e-3, atol=1e-4)
