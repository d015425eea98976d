"""Losses of branches against their definitions, and where their gradients go."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from autofi.space.training_config import LossName
from autofi.training.losses import LOSSES

LABELS = torch.tensor([1.0, 0.0, 1.0, 1.0, 0.0])
WEIGHTS = torch.tensor([1.0, 2.0, 0.5, 1.0, 3.0])
LOGITS = torch.tensor([[1.0, -1.0], [0.5, 0.25], [-2.0, 1.0], [0.0, 3.0], [1.5, -0.5]], dtype=torch.float64)


def entropy(logits: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> float:
    p = 1 / (1 + np.exp(-logits))
    return float(np.mean(-weights * (labels * np.log(p) + (1 - labels) * np.log(1 - p))))


def expected(name: str, logits: np.ndarray, weights: np.ndarray) -> float:
    labels = LABELS.numpy().astype(float)
    mean = logits.mean(1)
    whole = entropy(mean, labels, weights)
    if name == "bce":
        return whole
    if name == "distillation":
        taught = 1 / (1 + np.exp(-mean))
        return whole + sum(entropy(branch, taught, weights) for branch in logits.T)
    each = [entropy(branch, labels, weights) for branch in logits.T]
    return whole + sum(max(0.0, own - whole) * own for own in each)


@pytest.mark.parametrize("name", list(LOSSES))
@pytest.mark.parametrize("weighed", [False, True])
def test_it_is_what_its_definition_says(name: LossName, weighed: bool) -> None:
    weights = WEIGHTS if weighed else None
    found = LOSSES[name](LOGITS, LABELS.double(), None if weights is None else weights.double())
    given = WEIGHTS.numpy().astype(float) if weighed else np.ones(len(LABELS))
    assert float(found) == pytest.approx(expected(name, LOGITS.numpy(), given), rel=1e-9)


def test_the_published_and_the_public_loss_differ_by_their_gradient_only() -> None:
    gradients = {}
    for name in ("tri_bce", "tri_bce_attached"):
        logits = LOGITS.clone().requires_grad_()
        LOSSES[name](logits, LABELS.double(), None).backward()
        gradients[name] = logits.grad
    assert not torch.allclose(gradients["tri_bce"], gradients["tri_bce_attached"])


def test_the_mean_does_not_learn_from_the_branches_it_teaches() -> None:
    """With the teaching probability held fixed by hand, the gradient is the same."""
    logits = LOGITS.clone().requires_grad_()
    LOSSES["distillation"](logits, LABELS.double(), None).backward()
    other = LOGITS.clone().requires_grad_()
    taught = torch.sigmoid(LOGITS.mean(1))
    entropy_with = torch.nn.functional.binary_cross_entropy_with_logits
    loss = entropy_with(other.mean(1), LABELS.double())
    loss = loss + sum(entropy_with(other[:, branch], taught) for branch in (0, 1))
    loss.backward()
    torch.testing.assert_close(logits.grad, other.grad)
