"""α-entmax: shares that sum to 1 like a softmax's, but with exact zeros for low scores (arXiv 1905.05702)."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from autofi.operators._row_blocks import row_blocks

#: Newton's steps to a threshold, where scores enter by a power of at least 1: enough for a thousand equal scores.
STEPS = 12
SMALLEST = 1e-30
#: Halvings of an interval narrower than 1, where they do not: float32 holds no finer one.
HALVINGS = 30


def entmax(scores: Tensor, alpha: float | Tensor) -> Tensor:
    """Shares over the last axis, with the gradients by the scores and by `alpha` in closed form.

    `alpha` is at least 1, which is a softmax, and 2 is sparsemax; 1.5 and 2 are solved exactly, those below 2 by
    Newton's method and those above by bisection. A tensor is above 1, at most 2 and broadcasts to the scores with a
    last axis of 1.
    """
    if isinstance(alpha, float) and alpha == 1:
        return scores.softmax(-1)
    shares: Tensor = _Entmax.apply(scores, alpha)  # type: ignore[no-untyped-call]
    return shares


class _Entmax(torch.autograd.Function):
    """`p_i = max((α - 1)·s_i - τ, 0)^(1 / (α - 1))`, with the threshold `τ` at which the shares sum to 1."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor, alpha: float | Tensor) -> Tensor:
        # The threshold moves with the scores: with 0 as the highest nothing is lost to their size.
        scaled = (scores - scores.amax(-1, keepdim=True)).mul_(alpha - 1)
        if isinstance(alpha, float) and alpha == 2:
            shares = (scaled - _sparsemax_threshold(scaled)).clamp_min_(0)
        elif isinstance(alpha, float) and alpha == 1.5:
            shares = (scaled - _threshold_of_squares(scaled)).clamp_min_(0).square_()
        else:
            shares = _solved(scaled, 1 / (alpha - 1))
        learned = isinstance(alpha, Tensor)
        ctx.save_for_backward(shares, *((alpha,) if learned else ()))
        ctx.alpha = None if learned else alpha
        return shares

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradients: Tensor) -> tuple[Tensor, Tensor | None]:
        shares, *learned = ctx.saved_tensors
        alpha = learned[0] if learned else ctx.alpha
        # How fast a share grows when the threshold falls; one of 0 stays 0.
        slopes = torch.where(shares > 0, shares ** (2 - alpha), 0.0)
        weights = slopes / slopes.sum(-1, keepdim=True)
        by_scores = slopes * (gradients - (gradients * weights).sum(-1, keepdim=True))
        if not learned or not ctx.needs_input_grad[1]:
            return by_scores, None
        entropies = -torch.special.xlogy(shares, shares)
        by_alpha = (shares - weights) / (alpha - 1) ** 2
        by_alpha += (entropies - weights * entropies.sum(-1, keepdim=True)) / (alpha - 1)
        return by_scores, (gradients * by_alpha).sum_to_size(alpha.shape)


def _sparsemax_threshold(scores: Tensor) -> Tensor:
    """τ of Σ max(s_i - τ, 0) = 1: the mean of the kept scores less their part of 1."""
    ordered = scores.sort(-1, descending=True).values
    counts = torch.arange(1, scores.shape[-1] + 1, dtype=scores.dtype, device=scores.device)
    thresholds = (ordered.cumsum(-1) - 1) / counts
    return _last_kept(thresholds, ordered > thresholds)


def _threshold_of_squares(scores: Tensor) -> Tensor:
    """τ of Σ max(s_i - τ, 0)² = 1: the lower root of a quadratic equation in the kept scores."""
    ordered = scores.sort(-1, descending=True).values
    counts = torch.arange(1, scores.shape[-1] + 1, dtype=scores.dtype, device=scores.device)
    means = ordered.cumsum(-1) / counts
    variances = ordered.square().cumsum(-1) / counts - means.square()
    # No root, no way to keep so many: the mean is then above the last of them, which leaves it out.
    thresholds = means - (1 / counts - variances).clamp_min_(0).sqrt_()
    return _last_kept(thresholds, ordered > thresholds)


def _last_kept(thresholds: Tensor, kept: Tensor) -> Tensor:
    """Of the thresholds for the first 1, 2, ... scores, the one for as many as are above it."""
    return thresholds.gather(-1, kept.sum(-1, keepdim=True) - 1)


def _solved(scores: Tensor, power: float | Tensor) -> Tensor:
    """Shares where there is no closed form, some rows at a time: every step reads and writes all of them."""
    if isinstance(power, Tensor):
        power = power.expand_as(scores[..., :1])
    solve = _stepped if isinstance(power, Tensor) or power >= 1 else _bisected
    powers = (power,) if isinstance(power, Tensor) else ()
    blocks = row_blocks(max(1, math.prod(scores.shape[1:])), scores, *powers)
    return torch.cat([solve(block, *(of_block or (power,))) for block, *of_block in blocks])


def _stepped(scores: Tensor, power: float | Tensor) -> Tensor:
    """Shares by Newton's method from below: the sum falls and is convex in the threshold, so that no step passes it.
    Then scaled, for what the last step leaves.
    """
    low = torch.full_like(scores[..., :1], -1.0)
    for _ in range(STEPS):
        kept = (scores - low).clamp_min_(0)
        powers = kept.pow(power)
        total = powers.sum(-1, keepdim=True)
        # A power less by one: torch takes several times as long for powers of zero below 1.
        slopes = powers.div_(kept.clamp_min_(SMALLEST)).sum(-1, keepdim=True)
        low = low + (total - 1) / (power * slopes)
    shares = (scores - low).clamp_min_(0).pow_(power)
    return shares / shares.sum(-1, keepdim=True)


def _bisected(scores: Tensor, power: float | Tensor) -> Tensor:
    """Shares by halving the interval that holds the threshold, from where the highest share would be 1 to where all
    would be as high; then scaled, for what the last halving leaves.
    """
    low = torch.full_like(scores[..., :1], -1.0)
    width = 1 - torch.as_tensor(1 / scores.shape[-1], dtype=scores.dtype, device=scores.device) ** (1 / power)
    for _ in range(HALVINGS):
        width = width / 2
        middle = low + width
        total = (scores - middle).clamp_min_(0).pow_(power).sum(-1, keepdim=True)
        low = torch.where(total >= 1, middle, low)
    shares = (scores - low).clamp_min_(0).pow_(power)
    return shares / shares.sum(-1, keepdim=True)
