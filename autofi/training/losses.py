"""The loss of a batch: the mean logloss, or what a network of several branches is trained by."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from autofi.space.training_config import LossName


def mean_loss(logits: Tensor, labels: Tensor, weights: Tensor | None) -> Tensor:
    """Mean logloss of a batch; of logits `[B, members]` over the members too, each on its own."""
    if logits.dim() > 1:
        labels = labels.unsqueeze(1).expand_as(logits)
        weights = None if weights is None else weights.unsqueeze(1)
    return nn.functional.binary_cross_entropy_with_logits(logits, labels, weights)


def joint(logits: Tensor, labels: Tensor, weights: Tensor | None) -> Tensor:
    """Of branches `[B, K]`: the mean logloss of their mean logit, which scores rows."""
    return mean_loss(logits.mean(1), labels, weights)


def tri_bce(logits: Tensor, labels: Tensor, weights: Tensor | None) -> Tensor:
    """FCN's loss (https://arxiv.org/abs/2407.13349): that of the mean logit, and of every branch as far as the branch
    is worse than the mean. How far that is, is a number, not a way for gradients, as the paper describes it.
    """
    whole, branches = joint(logits, labels, weights), _each(logits, labels, weights)
    worse = (branches - whole).detach().clamp(min=0)
    return whole + (worse * branches).sum()


def tri_bce_attached(logits: Tensor, labels: Tensor, weights: Tensor | None) -> Tensor:
    """As the public code has it: gradients also go through how much worse a branch is, which takes weight from the
    loss of the mean logit. FCN's published figures were made with it.
    """
    whole, branches = joint(logits, labels, weights), _each(logits, labels, weights)
    return whole + ((branches - whole).clamp(min=0) * branches).sum()


def distillation(logits: Tensor, labels: Tensor, weights: Tensor | None) -> Tensor:
    """FinalNet's loss (https://doi.org/10.1145/3539618.3591988): every branch also learns the probability of the mean
    logit, which does not learn from it.
    """
    taught = torch.sigmoid(logits.mean(1)).detach()
    return joint(logits, labels, weights) + _each(logits, taught, weights).sum()


def _each(logits: Tensor, labels: Tensor, weights: Tensor | None) -> Tensor:
    """The mean logloss of every branch, `[K]`."""
    found = nn.functional.binary_cross_entropy_with_logits(
        logits,
        labels.unsqueeze(1).expand_as(logits),
        None if weights is None else weights.unsqueeze(1),
        reduction="none",
    )
    return found.mean(0)


#: By the name that `training.loss` gives it: from logits `[B, K]`, labels and weights `[B]`.
LOSSES: Mapping[LossName, Callable[[Tensor, Tensor, Tensor | None], Tensor]] = {
    "bce": joint,
    "tri_bce": tri_bce,
    "tri_bce_attached": tri_bce_attached,
    "distillation": distillation,
}
