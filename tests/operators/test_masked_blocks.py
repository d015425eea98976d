"""MaskNet, block by block."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from autofi.errors import SearchSpaceError
from autofi.operators.registry import get_stream
from autofi.operators.streams import Stream, StreamInputs
from tests.operators.stream_examples import build, codes, vectors, weight


def normal(columns: np.ndarray) -> np.ndarray:
    return (columns - columns.mean()) / np.sqrt(((columns - columns.mean()) ** 2).mean() + 1e-5)


def linear(stream: Stream, name: str, row: np.ndarray) -> np.ndarray:
    return weight(stream, f"{name}.weight") @ row + weight(stream, f"{name}.bias")


def block(stream: Stream, number: int, row: np.ndarray, masked: np.ndarray) -> np.ndarray:
    name = f"blocks.{number}"
    aggregated = np.maximum(linear(stream, f"{name}.mask.0", row), 0)
    mask = linear(stream, f"{name}.mask.2", aggregated)
    hidden = normal(weight(stream, f"{name}.layer.weight") @ (mask * masked))
    return np.maximum(hidden * weight(stream, f"{name}.norm.weight") + weight(stream, f"{name}.norm.bias"), 0)


def normalized(stream: Stream, fields: np.ndarray, *, normalize: bool) -> np.ndarray:
    if not normalize:
        return fields.flatten()
    gain, shift = weight(stream, "normalize.gain"), weight(stream, "normalize.shift")
    return np.concatenate(
        [normal(vector) * gain[field] + shift[field] for field, vector in enumerate(fields)]
    )


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("form", ["parallel", "serial"])
def test_layers_under_masks_of_the_row(form: str, normalize: bool) -> None:
    settings: dict[str, Any] = {"form": form, "widths": [5, 3], "normalize": normalize}
    stream = build("masked_blocks", {**settings, "hidden": [4] if form == "parallel" else []})
    expected = []
    for fields in vectors().numpy().astype(np.float64):
        row, first = fields.flatten(), normalized(stream, fields, normalize=normalize)
        if form == "parallel":
            read = np.concatenate([block(stream, 0, row, first), block(stream, 1, row, first)])
            hidden = np.maximum(linear(stream, "readout.0", read), 0)
            expected.append(float(linear(stream, "readout.2", hidden)[0]))
        else:
            read = block(stream, 1, row, block(stream, 0, row, first))
            expected.append(float(linear(stream, "readout.0", read)[0]))
    np.testing.assert_allclose(stream(vectors(), codes()).detach(), expected, rtol=1e-3, atol=1e-4)


def test_a_closed_mask_hides_the_fields() -> None:
    stream = build("masked_blocks", {"widths": [5]})
    assert stream(vectors(), codes()).std() > 1e-3
    with torch.no_grad():
        stream.get_parameter("blocks.0.mask.2.weight").zero_()
        stream.get_parameter("blocks.0.mask.2.bias").zero_()
    hidden = stream(vectors(), codes())
    torch.testing.assert_close(hidden, hidden[:1].expand_as(hidden))


def test_its_size_is_the_published_one() -> None:
    """BARS' MaskNet for Frappe: 571,691 numbers, of which 53,890 are embeddings."""
    kind = get_stream("masked_blocks")
    settings = {"widths": [50] * 3, "reduction": 2, "normalize": False, "hidden": [400] * 3}
    inputs = StreamInputs(fields=tuple("abcdefghij"), rows=(2,) * 10, dim=10)
    assert kind.num_parameters(inputs, kind.settings_of(settings)) == 571_691 - 53_890


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"form": "both"}, "setting 'form'.*'parallel' or 'serial'; found 'both'"),
        ({"reduction": 0}, "setting 'reduction'.*greater than 0; found 0"),
    ],
)
def test_a_wrong_setting_is_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(SearchSpaceError, match=message):
        build("masked_blocks", settings)
