"""A softmax over few scores, as attention between fields has them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

#: Numbers in an AVX-512 register: torch's softmax processes shorter rows one number at a time.
REGISTER = 16


def softmax(scores: Tensor) -> Tensor:
    """Return shares over the last axis, in float32 or wider; short rows take a quarter of torch's time on a CPU."""
    # Autocast does the same: shares of scores in bfloat16 would not sum to 1.
    scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
    # A compiler fuses the steps itself.
    if scores.device.type != "cpu" or torch.compiler.is_compiling() or scores.shape[-1] >= REGISTER:
        return scores.softmax(-1)
    shares: Tensor = _Softmax.apply(scores)  # type: ignore[no-untyped-call]
    return shares


class _Softmax(torch.autograd.Function):
    """Softmax by steps that each run over all rows at once."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor) -> Tensor:
        shares = (scores - scores.amax(-1, keepdim=True)).exp_()
        shares /= shares.sum(-1, keepdim=True)
        ctx.save_for_backward(shares)
        return shares

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradients: Tensor) -> Tensor:
        (shares,) = ctx.saved_tensors
        weighted: Tensor = gradients * shares
        weighted.addcmul_(shares, weighted.sum(-1, keepdim=True), value=-1)
        return weighted
