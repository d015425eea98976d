"""Field-aware vectors: two of a pair's are multiplied, the ones meant for each other."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from autofi.errors import SearchSpaceError
from autofi.operators.ffm import FFM, FFMSettings
from autofi.operators.streams import StreamInputs
from tests.operators.stream_examples import INPUTS, build, codes, vectors, weight

DIM = 3
CODED = [rows for rows in INPUTS.rows if rows]


def aware_products(table: np.ndarray, row: list[int], dim: int) -> list[float]:
    """The product of every pair, for a table whose rows hold a vector per other field, the own one left out."""
    starts = np.cumsum([0, *CODED])

    def vector(field: int, other: int) -> np.ndarray:
        others = [f for f in range(len(CODED)) if f != field]
        place = others.index(other)
        return table[starts[field] + row[field], place * dim : (place + 1) * dim]

    return [
        float(vector(left, right) @ vector(right, left))
        for left in range(len(CODED))
        for right in range(left + 1, len(CODED))
    ]


def test_every_pair_multiplies_the_vectors_meant_for_each_other() -> None:
    stream = build("ffm", {"dim": DIM})
    table = weight(stream, "products.table")
    assert table.shape == (sum(CODED), (len(CODED) - 1) * DIM)
    expected = [sum(aware_products(table, row, DIM)) for row in codes().tolist()]
    np.testing.assert_allclose(stream(vectors(), codes()).detach(), expected, rtol=1e-4, atol=1e-6)


def test_its_gradient_is_that_of_finite_differences() -> None:
    stream = build("ffm", {"dim": 2}).double()
    table = stream.get_parameter("products.table")
    read = codes()
    weights = torch.randn(len(read), dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    (stream(vectors(), read) * weights).sum().backward()
    found = table.grad
    assert found is not None
    with torch.no_grad():
        for row in range(len(table)):
            for column in range(table.shape[1]):
                ends = []
                for step in (1e-4, -1e-4):
                    table[row, column] += step
                    ends.append(float((stream(vectors(), read) * weights).sum()))
                    table[row, column] -= step
                assert abs((ends[0] - ends[1]) / 2e-4 - found[row, column]) < 1e-6


def test_one_field_alone_is_refused() -> None:
    inputs = StreamInputs(fields=("user", "tags"), rows=(7, 0), dim=4)
    with pytest.raises(SearchSpaceError, match="with an embedding: 1, but field-aware vectors need two"):
        FFM(inputs, FFMSettings())
