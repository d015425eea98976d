"""AutoInt's interacting layer, head by head."""

from __future__ import annotations

import numpy as np
import pytest

from autofi.errors import SearchSpaceError
from tests.operators.stream_examples import build, codes, vectors, weight

WIDTH, HEADS = 8, 2


def attended(fields: np.ndarray, maps: np.ndarray, *, scaled: bool) -> np.ndarray:
    query, key, value, residual = (fields @ part.T for part in np.split(maps, 4))
    found = []
    size = WIDTH // HEADS
    for head in range(HEADS):
        columns = slice(head * size, (head + 1) * size)
        scores = query[:, columns] @ key[:, columns].T / (np.sqrt(size) if scaled else 1.0)
        shares = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
        found.append(shares @ value[:, columns])
    return np.maximum(np.concatenate(found, axis=1) + residual, 0)


@pytest.mark.parametrize("scaled", [True, False])
def test_fields_attend_to_each_other(scaled: bool) -> None:
    stream = build("self_attention", {"layers": 2, "width": WIDTH, "heads": HEADS, "scaled": scaled})
    expected = []
    for fields in vectors().numpy().astype(np.float64):
        for layer in range(2):
            fields = attended(fields, weight(stream, f"layers.{layer}.weight"), scaled=scaled)
        expected.append(float(weight(stream, "last.weight")[0] @ fields.flatten()))
    np.testing.assert_allclose(stream(vectors(), codes()).detach(), expected, rtol=1e-3, atol=1e-4)


def test_heads_divide_the_width() -> None:
    with pytest.raises(SearchSpaceError, match="found width 9 and 2 heads"):
        build("self_attention", {"width": 9, "heads": 2})
