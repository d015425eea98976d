"""The cross layers of the first DCN, layer by layer."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.operators.stream_examples import build, codes, vectors, weight


@pytest.mark.parametrize("layers", [1, 2, 4])
def test_every_layer_multiplies_the_row_by_a_number(layers: int) -> None:
    stream = build("cross_vector", {"layers": layers})
    maps, shifts = weight(stream, "weights.weight"), weight(stream, "shifts")
    expected = []
    for row in vectors().flatten(1).numpy().astype(np.float64):
        crossed = row
        for layer in range(layers):
            crossed = row * float(maps[layer] @ crossed) + shifts[layer] + crossed
        expected.append(float(maps[layers] @ crossed))
    np.testing.assert_allclose(stream(vectors(), codes()).detach(), expected, rtol=1e-3, atol=1e-4)


def test_its_order_is_the_number_of_layers_and_one() -> None:
    """Without shifts a row along one direction gives a polynomial of degree `layers + 1` that vanishes at zero."""
    stream = build("cross_vector", {"layers": 2})
    with torch.no_grad():
        stream.get_parameter("shifts").zero_()
    steps = torch.linspace(-1, 1, 12)
    along = stream(steps.view(-1, 1, 1) * vectors()[:1], codes()).detach().numpy().astype(np.float64)
    powers = np.stack([steps.numpy().astype(np.float64) ** power for power in (1, 2, 3)], axis=1)
    found, *_ = np.linalg.lstsq(powers, along, rcond=None)
    np.testing.assert_allclose(powers @ found, along, atol=1e-4)
    assert abs(found[2]) > 1e-3
