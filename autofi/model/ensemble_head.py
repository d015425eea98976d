"""An ensemble head: small networks after one shared layer, trained side by side at a fraction of the cost."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn


class EnsembleHead(nn.Module):
    """`[B, H] → [B, K]`: K networks after the same hidden layer, each with its own signs, biases and weights.

    A member multiplies the shared layer by its own factors, initially +1 or -1, so that members start from different
    halves of it after the ReLU; every later layer is its own. Each member is trained on its own loss, and their
    probabilities are averaged: on small tables that is worth as much as an ensemble of whole networks.

    Source: TabM, https://arxiv.org/abs/2410.24210, after BatchEnsemble, https://arxiv.org/abs/2002.06715. There the
    input is multiplied and later layers share a matrix; here the wide first layer, which has most of the cost, is
    computed once, and the small later ones are batched products.
    """

    def __init__(self, widths: Sequence[int], size: int) -> None:
        super().__init__()
        signs = torch.randint(0, 2, (size, widths[0])).float() * 2 - 1
        self.factors = nn.Parameter(signs)
        self.shifts = nn.ParameterList(torch.zeros(size, 1, width) for width in widths)
        self.weights = nn.ParameterList(
            torch.randn(size, width, following) * (2.0 / (width + following)) ** 0.5
            for width, following in pairwise(widths)
        )

    def forward(self, first: Tensor) -> Tensor:
        hidden = torch.addcmul(self.shifts[0], first.unsqueeze(0), self.factors.unsqueeze(1))  # [K, B, H]
        for weight, shift in zip(self.weights, list(self.shifts)[1:], strict=True):
            hidden = torch.baddbmm(shift, hidden.relu(), weight)
        return hidden.squeeze(-1).t()


def mean_logit(logits: Tensor, log_weights: Tensor | None = None) -> Tensor:
    """Return the logit of the members' mean probability, `[B, K] → [B]`; exact for large logits of either sign.

    Weights, whose sum is 1, are given by their logarithms, `[K]`; without them every member has the same weight.
    """
    # The logarithm of a sigmoid is explicit, because ONNX Runtime would take it of a sigmoid that ends at 1e-8.
    tail = (-logits.abs()).exp().log1p()
    if log_weights is not None:
        tail = tail - log_weights
    clicked = torch.logsumexp(logits.clamp(max=0) - tail, 1)
    passed = torch.logsumexp((-logits).clamp(max=0) - tail, 1)
    return clicked - passed
