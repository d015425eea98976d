"""One weight per value of every field that has codes."""

from __future__ import annotations

import numpy as np

from tests.operators.stream_examples import INPUTS, build, codes, vectors, weight


def test_the_weights_of_a_rows_values_are_added() -> None:
    stream = build("linear")
    table = weight(stream, "table")[:, 0]
    starts = np.cumsum([0, *INPUTS.rows])
    expected = [sum(table[starts[f] + code] for f, code in enumerate(row)) for row in codes().tolist()]
    np.testing.assert_allclose(stream(vectors(), codes()).detach(), expected, rtol=1e-5)
    assert len(table) == sum(INPUTS.rows)
