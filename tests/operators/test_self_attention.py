"""AutoInt's interacting layer, head by head."""

from __future__ import annotations

import numpy as np
import pytest

from autofi.errors import SearchSpaceError
from tests.operators.stream_examples import build, codes, vectors, weight

WIDTH, HEADS = 8, 2


def attended(fields: np.ndarray, maps: np.ndarray, *, scaled: bool, relu: bool) -> np.ndarray:
    query, key, value, residual = (
        np.maximum(fields @ part.T, 0) if relu else fields @ part.T for part in np.split(maps, 4)
    )
    found = []
    size = WIDTH // HEADS
    for head in range(HEADS):
        columns = slice(head * size, (head + 1) * size)
        scores = query[:, columns] @ key[:, columns].T / (np.sqrt(size) if scaled else 1.0)
        shares = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
        found.append(shares @ value[:, columns])
    return np.maximum(np.concatenate(found, axis=1) + residual, 0)


def normalised(fields: np.ndarray, gains: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    centred = [field - field.mean() for field in fields]
    return np.array([field / np.sqrt((field**2).mean() + 1e-5) * gains + shifts for field in centred])


@pytest.mark.parametrize(
    ("scaled", "relu", "layer_norm"),
    [
        (True, False, False),
        (False, False, False),
        (True, True, False),
        (True, False, True),
        (True, True, True),
    ],
)
def test_fields_attend_to_each_other(scaled: bool, relu: bool, layer_norm: bool) -> None:
    shape = {"layers": 2, "width": WIDTH, "heads": HEADS}
    stream = build("self_attention", {**shape, "scaled": scaled, "relu": relu, "layer_norm": layer_norm})
    expected = []
    for fields in vectors().numpy().astype(np.float64):
        for layer in range(2):
            fields = attended(fields, weight(stream, f"layers.{layer}.weight"), scaled=scaled, relu=relu)
            if layer_norm:
                gains, shifts = (weight(stream, f"normal.{layer}.{name}") for name in ("weight", "bias"))
                fields = normalised(fields, gains, shifts)
        expected.append(float(weight(stream, "last.weight")[0] @ fields.flatten()))
    np.testing.assert_allclose(stream(vectors(), codes()).detach(), expected, rtol=1e-3, atol=1e-4)


def test_heads_divide_the_width() -> None:
    with pytest.raises(SearchSpaceError, match="found width 9 and 2 heads"):
        build("self_attention", {"width": 9, "heads": 2})
