"""AutoInt's interacting layer, head by head."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from autofi.errors import SearchSpaceError
from tests.operators.stream_examples import build, codes, vectors, weight

WIDTH, HEADS = 8, 2


def attended(fields: np.ndarray, maps: np.ndarray, *, scaled: bool, relu: bool, split: str) -> np.ndarray:
    """What fields attend to and what is added to them, before the last ReLU."""
    mapped = [
        np.maximum(fields @ part.T, 0) if relu else fields @ part.T
        for part in np.split(maps, len(maps) // WIDTH)
    ]
    query, key, value = mapped[:3]
    residual = mapped[3] if len(mapped) == 4 else fields
    found = residual.copy()
    for head in range(HEADS):
        places = places_of(head, len(fields), split)
        for place in places:
            scores = np.array([query[place] @ key[other] for other in places])
            shares = np.exp(scores / np.sqrt(WIDTH // HEADS) if scaled else scores)
            for share, other in zip(shares / shares.sum(), places, strict=True):
                found[place] += share * value[other]
    return found


def places_of(head: int, fields: int, split: str) -> list[tuple[int, slice]]:
    """What a head has: fields, and of each the columns of a slice."""
    size = WIDTH // HEADS
    slices = [slice(at * size, (at + 1) * size) for at in range(HEADS)]
    if split == "columns":
        return [(field, slices[head]) for field in range(fields)]
    return list(product(range(fields), slices))[head * fields : (head + 1) * fields]


def normalised(fields: np.ndarray, gains: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    centred = [field - field.mean() for field in fields]
    return np.array([field / np.sqrt((field**2).mean() + 1e-5) * gains + shifts for field in centred])


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"scaled": False},
        {"relu": True},
        {"layer_norm": True},
        {"relu": True, "layer_norm": True},
        {"layer_norm": True, "norm_first": True},
        {"residual": "field"},
        {"residual": "field", "relu": True, "layer_norm": True, "norm_first": True},
        {"split": "fields"},
        {"split": "fields", "residual": "field", "scaled": False, "layer_norm": True},
    ],
)
def test_fields_attend_to_each_other(settings: dict[str, Any]) -> None:
    stream = build("self_attention", {"layers": 2, "width": WIDTH, "heads": HEADS, **settings})
    scaled, relu = settings.get("scaled", True), settings.get("relu", False)
    expected = []
    for fields in vectors().numpy().astype(np.float64):
        for layer in range(2):
            maps = weight(stream, f"layers.{layer}.weight")
            of_field = layer == 1 and settings.get("residual") == "field"
            assert len(maps) == (3 if of_field else 4) * WIDTH
            split = settings.get("split", "columns")
            fields = attended(fields, maps, scaled=scaled, relu=relu, split=split)
            if settings.get("layer_norm"):
                gains, shifts = (weight(stream, f"normal.{layer}.{name}") for name in ("weight", "bias"))
                if settings.get("norm_first"):
                    fields = np.maximum(normalised(fields, gains, shifts), 0)
                else:
                    fields = normalised(np.maximum(fields, 0), gains, shifts)
            else:
                fields = np.maximum(fields, 0)
        expected.append(float(weight(stream, "last.weight")[0] @ fields.flatten()))
    np.testing.assert_allclose(stream(vectors(), codes()).detach(), expected, rtol=1e-3, atol=1e-4)


def test_heads_divide_the_width() -> None:
    with pytest.raises(SearchSpaceError, match="has width 9 and 2 heads"):
        build("self_attention", {"width": 9, "heads": 2})
