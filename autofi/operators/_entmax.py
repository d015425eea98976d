"""α-entmax: shares that sum to 1 like those of a softmax, but with exact zeros for low scores (arXiv 1905.05702)."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from autofi.operators._row_blocks import row_blocks

#: Newton steps to a threshold, for powers of at least 1: enough for a thousand equal scores.
STEPS = 12
SMALLEST = 1e-30
#: Halvings of an interval narrower than 1, for smaller powers: float32 has no finer one.
HALVINGS = 30


def entmax(scores: Tensor, alpha: float | Tensor) -> Tensor:
    """Return shares over the last axis, with closed-form gradients with respect to the scores and `alpha`.

    Args:
        alpha: A number of at least 1: 1 is a softmax, 2 is sparsemax. 1.5 and 2 are solved exactly, others below 2 by
            Newton's method, and those above by bisection. A tensor must be above 1 and at most 2, and broadcasts to the
            scores with a last axis of 1.
    """
    if isinstance(alpha, float) and alpha == 1:
        return scores.softmax(-1)
    shares: Tensor = _Entmax.apply(scores, alpha)  # type: ignore[no-untyped-call]
    return shares


class _Entmax(torch.autograd.Function):
    """`p_i = max((α - 1)·s_i - τ, 0)^(1 / (α - 1))`, with the threshold `τ` at which the shares sum to 1."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor, alpha: float | Tensor) -> Tensor:
        # The threshold moves with the scores: with 0 as the highest score, their size costs no precision.
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
        # The growth of a share as the threshold falls; a share of 0 stays 0.
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
    """Return the τ with Σ max(s_i - τ, 0) = 1: the mean of the kept scores less their part of 1."""
    ordered = scores.sort(-1, descending=True).values
    counts = torch.arange(1, scores.shape[-1] + 1, dtype=scores.dtype, device=scores.device)
    thresholds = (ordered.cumsum(-1) - 1) / counts
    return _last_kept(thresholds, ordered > thresholds)


def _threshold_of_squares(scores: Tensor) -> Tensor:
    """Return the τ with Σ max(s_i - τ, 0)² = 1: the lower root of a quadratic equation in the kept scores."""
    ordered = scores.sort(-1, descending=True).values
    counts = torch.arange(1, scores.shape[-1] + 1, dtype=scores.dtype, device=scores.device)
    means = ordered.cumsum(-1) / counts
    variances = ordered.square().cumsum(-1) / counts - means.square()
    # Without a root this many cannot be kept: the mean is then above the last of them, which leaves it out.
    thresholds = means - (1 / counts - variances).clamp_min_(0).sqrt_()
    return _last_kept(thresholds, ordered > thresholds)


def _last_kept(thresholds: Tensor, kept: Tensor) -> Tensor:
    """Return, of the thresholds for the first 1, 2, ... scores, the one with as many scores above it."""
    return thresholds.gather(-1, kept.sum(-1, keepdim=True) - 1)


def _solved(scores: Tensor, power: float | Tensor) -> Tensor:
    """Return shares where there is no closed form, a block of rows at a time, since every step passes over them all."""
    if isinstance(power, Tensor):
        power = power.expand_as(scores[..., :1])
    solve = _stepped if isinstance(power, Tensor) or power >= 1 else _bisected
    powers = (power,) if isinstance(power, Tensor) else ()
    blocks = row_blocks(max(1, math.prod(scores.shape[1:])), scores, *powers)
    return torch.cat([solve(block, *(of_block or (power,))) for block, *of_block in blocks])


def _stepped(scores: Tensor, power: float | Tensor) -> Tensor:
    """Return shares by Newton's method from below: the sum is convex in the threshold, so no step passes it.

    The shares are scaled at the end to correct the error of the last step.
    """
    low = torch.full_like(scores[..., :1], -1.0)
    for _ in range(STEPS):
        kept = (scores - low).clamp_min_(0)
        powers = kept.pow(power)
        total = powers.sum(-1, keepdim=True)
        # The exponent is one less: torch takes several times as long for powers of zero below 1.
        slopes = powers.div_(kept.clamp_min_(SMALLEST)).sum(-1, keepdim=True)
        low = low + (total - 1) / (power * slopes)
    shares = (scores - low).clamp_min_(0).pow_(power)
    return shares / shares.sum(-1, keepdim=True)


def _bisected(scores: Tensor, power: float | Tensor) -> Tensor:
    """Return shares by bisection of an interval that holds the threshold.

    The interval goes from a highest share of 1 to equal shares. The shares are scaled at the end to correct the error
    of the last halving.
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
