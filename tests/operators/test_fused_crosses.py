"""FCN's two cross networks, number by number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from autofi.errors import SearchSpaceError
from tests.operators.stream_examples import INPUTS, build, codes, vectors, weight

FIELDS, DIM = len(INPUTS.fields), INPUTS.dim


def regrouped(fields: np.ndarray, heads: int) -> list[np.ndarray]:
    size = DIM // heads
    found = []
    for head in range(heads):
        part = fields[:, head * size : (head + 1) * size]
        first = [number for field in part for number in field[: size // 2]]
        second = [number for field in part for number in field[size // 2 :]]
        found.append(np.array(first + second))
    return found


def crossed(
    stream: Any, network: int, row: np.ndarray, layers: int, head: int, *, exponential: bool
) -> float:
    x = row
    for layer in range(layers):
        name = f"networks.{network}"
        c = weight(stream, f"{name}.maps.{layer}.weight") @ x
        if stream.settings.batch_norm:  # as it begins: running mean 0, variance 1
            gain = weight(stream, f"{name}.batch_norms.{layer}.weight")[head]
            c = c / np.sqrt(1 + 1e-5) * gain + weight(stream, f"{name}.batch_norms.{layer}.bias")[head]
        normed = (c - c.mean()) / np.sqrt(c.var() + 1e-5)
        normed = normed * weight(stream, f"{name}.norms.{layer}.weight") + weight(
            stream, f"{name}.norms.{layer}.bias"
        )
        h = np.concatenate([c, c * np.maximum(normed, 0)])
        x = (x if exponential else row) * (h + weight(stream, f"{name}.shifts.{layer}")) + x
    return float(
        weight(stream, f"networks.{network}.last.weight")[0] @ x
        + weight(stream, f"networks.{network}.last.bias")[0]
    )


@pytest.mark.parametrize(
    "settings",
    [
        {"linear_layers": 2, "exponential_layers": 3},
        {"linear_layers": 1, "exponential_layers": 2, "heads": 3, "batch_norm": True},
    ],
)
def test_each_branch_is_a_network_of_crosses(settings: dict[str, Any]) -> None:
    stream = build("fused_crosses", settings)
    heads = settings.get("heads", 1)
    expected = []
    for fields in vectors().numpy().astype(np.float64):
        rows = regrouped(fields, heads)
        linear = [
            crossed(stream, 0, row, settings["linear_layers"], head, exponential=False)
            for head, row in enumerate(rows)
        ]
        exponential = [
            crossed(stream, 1, row, settings["exponential_layers"], head, exponential=True)
            for head, row in enumerate(rows)
        ]
        expected.append([np.mean(linear), np.mean(exponential)])
    found = stream.branches(vectors(), codes()).detach()
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(
        stream(vectors(), codes()).detach(), np.mean(expected, axis=1), rtol=1e-3, atol=1e-3
    )


@pytest.mark.parametrize(("layers", "degree"), [(1, 2), (2, 4), (3, 8)])
def test_the_exponential_network_doubles_the_order_with_every_layer(layers: int, degree: int) -> None:
    """Without masks and shifts each layer multiplies two polynomials of the last one's degree."""
    stream = build("fused_crosses", {"linear_layers": 0, "exponential_layers": layers}).double()
    with torch.no_grad():
        for name, parameter in stream.named_parameters():
            if "norms" in name or "last.bias" in name:
                parameter.zero_()
    fields = vectors()[:1].double()
    scales = torch.arange(1, degree + 3, dtype=torch.float64)
    values = torch.stack([stream(fields * scale, codes()[:1])[0] for scale in scales])
    # A polynomial of that degree in the scale: one more difference vanishes, the last one does not.
    assert values.diff(n=degree).abs().max() > 1e-6
    assert values.diff(n=degree + 1).abs().max() < 1e-6 * values.abs().max()


def test_illegal_settings_are_refused() -> None:
    with pytest.raises(SearchSpaceError, match="fused_crosses has 0 linear_layers and 0 exponential_layers"):
        build("fused_crosses", {"linear_layers": 0, "exponential_layers": 0})
    with pytest.raises(SearchSpaceError, match="fused_crosses has 2 heads and width 6"):
        build("fused_crosses", {"heads": 2})
