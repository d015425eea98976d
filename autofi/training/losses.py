"""The loss of a batch: the mean logloss, or the loss of a network with several branches."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from autofi.space.training_config import LossName


def mean_loss(logits: Tensor, labels: Tensor, weights: Tensor | None) -> Tensor:
    """Return the mean logloss of a batch; for logits `[B, K]` also its mean over members."""
    if logits.dim() > 1:
        labels = labels.unsqueeze(1).expand_as(logits)
        weights = None if weights is None else weights.unsqueeze(1)
    return nn.functional.binary_cross_entropy_with_logits(logits, labels, weights)


def joint(logits: Tensor, labels: Tensor, weights: Tensor | None) -> Tensor:
    """Return the logloss of the branches' mean logit, which scores rows, from logits `[B, K]`."""
    return mean_loss(logits.mean(1), labels, weights)


def tri_bce(logits: Tensor, labels: Tensor, weights: Tensor | None) -> Tensor:
    """Return FCN's loss (https://arxiv.org/abs/2407.13349), with detached weights of the branches.

    It is the loss of the mean logit, plus that of every branch times the amount by which the branch is worse than the
    mean. As in the paper, no gradient goes through that amount.
    """
    whole, branches = joint(logits, labels, weights), _each(logits, labels, weights)
    worse = (branches - whole).detach().clamp(min=0)
    return whole + (worse * branches).sum()


def tri_bce_attached(logits: Tensor, labels: Tensor, weights: Tensor | None) -> Tensor:
    """Return FCN's loss as in the public code, where gradients also go through the branches' weights.

    This takes weight from the loss of the mean logit. FCN's published results were made with it.
    """
    whole, branches = joint(logits, labels, weights), _each(logits, labels, weights)
    return whole + ((branches - whole).clamp(min=0) * branches).sum()


def distillation(logits: Tensor, labels: Tensor, weights: Tensor | None) -> Tensor:
    """Return FinalNet's loss, by which branches also learn the mean logit's probability.

    The mean logit does not learn from the branches. Source: https://doi.org/10.1145/3539618.3591988.
    """
    taught = torch.sigmoid(logits.mean(1)).detach()
    return joint(logits, labels, weights) + _each(logits, taught, weights).sum()


def _each(logits: Tensor, labels: Tensor, weights: Tensor | None) -> Tensor:
    """Return the mean logloss of every branch, `[K]`."""
    found = nn.functional.binary_cross_entropy_with_logits(
        logits,
        labels.unsqueeze(1).expand_as(logits),
        None if weights is None else weights.unsqueeze(1),
        reduction="none",
    )
    return found.mean(0)


#: Losses by their name in `training.loss`; each takes logits `[B, K]`, labels and weights `[B]`.
LOSSES: Mapping[LossName, Callable[[Tensor, Tensor, Tensor | None], Tensor]] = {
    "bce": joint,
    "tri_bce": tri_bce,
    "tri_bce_attached": tri_bce_attached,
    "distillation": distillation,
}
