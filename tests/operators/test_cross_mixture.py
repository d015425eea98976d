"""DCN-Mix, expert by expert."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from autofi.errors import SearchSpaceError
from tests.operators.stream_examples import build, codes, vectors, weight

LAYERS, RANK, EXPERTS = 2, 3, 4
SETTINGS = {"layers": LAYERS, "rank": RANK, "experts": EXPERTS}


def test_a_row_is_multiplied_by_a_gated_mixture_of_experts() -> None:
    stream = build("cross_mixture", SETTINGS)
    expected = []
    for row in vectors().flatten(1).numpy().astype(np.float64):
        crossed = row
        for layer in range(LAYERS):
            down, inner, up, shift = (
                weight(stream, f"layers.{layer}.{name}")
                for name in ("down.weight", "inner", "up.weight", "up.bias")
            )
            scores = np.exp(down[RANK * EXPERTS :] @ crossed)
            mixed = np.zeros_like(row)
            for expert in range(EXPERTS):
                columns = slice(expert * RANK, (expert + 1) * RANK)
                low = np.tanh(inner[expert] @ np.tanh(down[columns] @ crossed))
                mixed += scores[expert] / scores.sum() * row * (up[:, columns] @ low + shift)
            crossed = mixed + crossed
        expected.append(float(weight(stream, "last.weight")[0] @ crossed))
    np.testing.assert_allclose(stream(vectors(), codes()).detach(), expected, rtol=1e-3, atol=1e-4)


def test_without_experts_and_shift_the_row_is_left_as_it_is() -> None:
    stream = build("cross_mixture", SETTINGS)
    with torch.no_grad():
        for layer in range(LAYERS):
            stream.get_parameter(f"layers.{layer}.inner").zero_()
            stream.get_parameter(f"layers.{layer}.up.bias").zero_()
    expected = vectors().flatten(1).numpy() @ weight(stream, "last.weight")[0]
    np.testing.assert_allclose(stream(vectors(), codes()).detach(), expected, rtol=1e-4, atol=1e-4)


def test_one_expert_is_refused() -> None:
    with pytest.raises(SearchSpaceError, match="setting 'experts'.*greater than or equal to 2; found 1"):
        build("cross_mixture", {"experts": 1})
