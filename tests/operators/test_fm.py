"""All pairs of field vectors, multiplied and summed."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from tests.operators.stream_examples import build, codes, vectors


def test_it_is_the_sum_of_all_inner_products() -> None:
    rows = vectors().numpy().astype(np.float64)
    expected = [sum(float(a @ b) for a, b in combinations(row, 2)) for row in rows]
    np.testing.assert_allclose(build("fm")(vectors(), codes()), expected, rtol=1e-4, atol=1e-5)
