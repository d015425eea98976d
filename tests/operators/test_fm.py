"""All pairs of field vectors, multiplied and summed."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from tests.operators.stream_examples import build, codes, vectors


def test_it_is_the_sum_of_all_inner_products() -> None:
    rows = vectors().numpy().astype(np.float64)
    expected = [sum(float(a @ b) for a, b in combinations(row, 2)) for row in rows]
    np.testing.assert_allclose(build("fm")(vectors(), codes()), expected, rtol=1e-4, atol=1e-5)


def test_its_gradient_is_the_sum_of_the_other_vectors() -> None:
    given = vectors().double().requires_grad_()
    build("fm")(given, codes()).sum().backward()
    assert given.grad is not None
    for row, found in zip(given.detach().numpy(), given.grad.numpy(), strict=True):
        expected = [np.delete(row, field, 0).sum(0) for field in range(len(row))]
        np.testing.assert_allclose(found, expected, rtol=1e-9)
