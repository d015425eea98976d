"""The softmax of few scores against its definition in float64, gradients by finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from autofi.operators._softmax import REGISTER, softmax

SIZES = [1, 2, 10, REGISTER - 1, REGISTER, 40]


def defined(scores: np.ndarray) -> np.ndarray:
    powers = [[np.exp(score - max(row)) for score in row] for row in scores]
    return np.array([[power / sum(row) for power in row] for row in powers])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("spread", [0.01, 1.0, 300.0])
def test_shares_are_those_of_the_definition(size: int, spread: float) -> None:
    scores = torch.randn(6, size, generator=torch.Generator().manual_seed(size)) * spread + 1000
    before = scores.clone()
    found = softmax(scores)
    np.testing.assert_allclose(found, defined(scores.double().numpy()), rtol=1e-5, atol=1e-6)
    assert torch.equal(scores, before)


@pytest.mark.parametrize("size", SIZES)
def test_its_gradient_is_that_of_the_definition(size: int) -> None:
    generator = torch.Generator().manual_seed(size)
    scores = torch.randn(3, size, generator=generator, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(softmax, scores)


@pytest.mark.parametrize("size", SIZES)
def test_shares_of_narrow_scores_are_wide(size: int) -> None:
    scores = torch.randn(4, size, generator=torch.Generator().manual_seed(size)).bfloat16()
    found = softmax(scores)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, softmax(scores.float()))
