"""The cross layers of DCNv2, full and factored."""

from __future__ import annotations

import numpy as np
import pytest

from tests.operators.stream_examples import build, codes, vectors, weight


@pytest.mark.parametrize("rank", [0, 3])
def test_every_layer_multiplies_the_row_by_a_map_of_the_last(rank: int) -> None:
    stream = build("cross_network", {"layers": 2, "rank": rank})
    expected = []
    for row in vectors().flatten(1).numpy().astype(np.float64):
        crossed = row
        for layer in range(2):
            if rank:
                low = weight(stream, f"layers.{layer}.0.weight") @ crossed
                mapped = weight(stream, f"layers.{layer}.1.weight") @ low + weight(
                    stream, f"layers.{layer}.1.bias"
                )
            else:
                mapped = weight(stream, f"layers.{layer}.weight") @ crossed + weight(
                    stream, f"layers.{layer}.bias"
                )
            crossed = row * mapped + crossed
        expected.append(float(weight(stream, "last.weight")[0] @ crossed))
    np.testing.assert_allclose(stream(vectors(), codes()).detach(), expected, rtol=1e-3, atol=1e-4)
