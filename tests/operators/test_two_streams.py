"""FinalMLP: two MLPs, gates and a bilinear fusion."""

from __future__ import annotations

import numpy as np
import pytest

from autofi.errors import SearchSpaceError
from autofi.operators.streams import Stream
from tests.operators.stream_examples import INPUTS, build, codes, vectors, weight

SETTINGS = {"first": (6, 4), "second": (2,), "heads": 2, "gates": (5,), "first_context": ("item", "tags")}


def layers(stream: Stream, prefix: str, row: np.ndarray, places: list[int], *, last: bool) -> np.ndarray:
    for place in places:
        row = weight(stream, f"{prefix}.{place}.weight") @ row + weight(stream, f"{prefix}.{place}.bias")
        if not (last and place == places[-1]):
            row = np.maximum(row, 0)
    return row


def test_two_gated_mlps_are_fused_head_by_head() -> None:
    stream = build("two_streams", SETTINGS)
    expected = []
    for fields in vectors().numpy().astype(np.float64):
        row = fields.flatten()
        contexts = (
            np.concatenate([fields[INPUTS.fields.index(name)] for name in ("item", "tags")]),
            weight(stream, "gates.1.learned")[0],
        )
        outputs = []
        for number, (context, places) in enumerate(zip(contexts, ([0, 2], [0]), strict=True)):
            gate = layers(stream, f"gates.{number}.layers", context, [0, 2], last=True)
            gated = row * 2 / (1 + np.exp(-gate))
            outputs.append(layers(stream, f"mlps.{number}", gated, places, last=False))
        left, right = outputs
        logit = weight(stream, "linear.0.weight")[0] @ left + weight(stream, "linear.1.weight")[0] @ right
        for head, matrix in enumerate(weight(stream, "fusion")):
            logit += left[2 * head : 2 * head + 2] @ matrix @ right[head : head + 1]
        expected.append(float(logit))
    np.testing.assert_allclose(stream(vectors(), codes()).detach(), expected, rtol=1e-3, atol=1e-4)


def test_a_context_is_a_field_with_a_vector() -> None:
    with pytest.raises(SearchSpaceError, match="context 'itm', which is no field.*item"):
        build("two_streams", {"gates": (3,), "first_context": ("itm",)})


def test_heads_divide_both_widths() -> None:
    with pytest.raises(SearchSpaceError, match="has 3 heads and a width of 4"):
        build("two_streams", {"first": (4,), "second": (3,), "heads": 3})
