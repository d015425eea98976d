"""α-entmax against its definition: shares by bisection in float64, gradients by finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from autofi.operators._entmax import entmax


def defined(scores: np.ndarray, alpha: float) -> np.ndarray:
    """One row of scores: the threshold at which shares sum to 1, halved until nothing changes."""
    if alpha == 1:
        return np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()
    low, high = (alpha - 1) * scores.max() - 1, (alpha - 1) * scores.max()
    for _ in range(200):
        threshold = (low + high) / 2
        shares = np.maximum((alpha - 1) * scores - threshold, 0) ** (1 / (alpha - 1))
        low, high = (threshold, high) if shares.sum() > 1 else (low, threshold)
    return shares


@pytest.mark.parametrize("alpha", [1.0, 1.1, 1.5, 1.7, 2.0, 2.5])
@pytest.mark.parametrize("spread", [0.01, 1.0, 30.0])
def test_shares_are_those_of_the_definition(alpha: float, spread: float) -> None:
    scores = torch.randn(5, 3, 7, generator=torch.Generator().manual_seed(0)) * spread + 10
    found = entmax(scores, alpha)
    expected = np.apply_along_axis(defined, -1, scores.double().numpy(), alpha)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=2e-5)
    torch.testing.assert_close(found.sum(-1), torch.ones(5, 3))


@pytest.mark.parametrize("alpha", [1.3, 1.5, 2.0, 2.5])
def test_low_scores_get_exactly_nothing(alpha: float) -> None:
    shares = entmax(torch.tensor([3.0, -5.0, 2.9, -40.0]), alpha)
    assert shares[[1, 3]].tolist() == [0, 0]
    assert shares[0] > shares[2] > 0


@pytest.mark.parametrize("alpha", [1.5, 2.0, 1.7])
def test_equal_scores_get_equal_shares(alpha: float) -> None:
    torch.testing.assert_close(entmax(torch.full((2, 5), 7.0), alpha), torch.full((2, 5), 0.2))
    assert entmax(torch.full((1, 1), -3.0), alpha).tolist() == [[1.0]]
    assert entmax(torch.empty(0, 4), alpha).shape == (0, 4)


@pytest.mark.parametrize("alpha", [1.2, 1.5, 1.7, 2.0, 2.5])
def test_its_gradient_is_that_of_the_definition(alpha: float) -> None:
    generator = np.random.default_rng(1)
    scores, direction = generator.normal(size=6), generator.normal(size=6)
    read = torch.tensor(scores, requires_grad=True)
    (entmax(read, alpha) * torch.tensor(direction)).sum().backward()
    step = 1e-6
    expected = [
        (defined(scores + step * axis, alpha) - defined(scores - step * axis, alpha)) @ direction / (2 * step)
        for axis in np.eye(6)
    ]
    assert read.grad is not None
    np.testing.assert_allclose(read.grad, expected, rtol=1e-4, atol=1e-5)


def test_its_gradient_by_alpha_is_that_of_the_definition() -> None:
    generator = np.random.default_rng(2)
    scores, direction = generator.normal(size=(2, 4, 6)), generator.normal(size=(2, 4, 6))
    alphas = np.array([1.3, 1.8])
    read = torch.tensor(alphas).view(2, 1, 1).requires_grad_()
    (entmax(torch.tensor(scores), read) * torch.tensor(direction)).sum().backward()
    step = 1e-6
    expected = []
    for head, alpha in enumerate(alphas):
        above, below = (
            np.apply_along_axis(defined, -1, scores[head], alpha + change) for change in (step, -step)
        )
        expected.append(((above - below) * direction[head]).sum() / (2 * step))
    assert read.grad is not None
    np.testing.assert_allclose(read.grad.flatten(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("alpha", [1.5, 2.0])
def test_solved_and_bisected_shares_agree(alpha: float) -> None:
    scores = torch.randn(64, 12, generator=torch.Generator().manual_seed(3)) * 2
    torch.testing.assert_close(
        entmax(scores, alpha), entmax(scores, torch.tensor([[alpha]])), rtol=1e-3, atol=1e-5
    )
