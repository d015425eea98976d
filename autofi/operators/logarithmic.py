"""Crosses of learned orders, as sums of logarithms: AFN."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from autofi.core.validated import Count, Share, Widths
from autofi.operators._mlp import initialize, logit_mlp, logit_mlp_parameters
from autofi.operators._own_embedding import OwnVectors
from autofi.operators._powers import LARGEST_EXPONENT, bounded_exp
from autofi.operators._row_blocks import block_rows, products_dtype, row_blocks
from autofi.operators.registry import register
from autofi.operators.streams import Stream, StreamInputs

#: The floor of a column before its logarithm; it trains better than smaller floors.
SMALLEST = 1e-5
#: Larger crosses have no gradient: slightly less than `exp(LARGEST_EXPONENT)`, since processors round it differently.
NOT_CUT = 0.99999 * math.exp(LARGEST_EXPONENT)


@dataclass(frozen=True)
class LogarithmicSettings:
    """The settings of AFN.

    Attributes:
        neurons: Crosses, each with a power per field.
        hidden: Widths of the MLP over the crosses.
        dropout: Dropout of its hidden layers.
        batch_norm: Batch normalization in its hidden layers; logarithms and crosses are always normalized.
        own_vectors: True if it reads embeddings of its own instead of the shared ones.
    """

    neurons: Count = 100
    hidden: Widths = (400,)
    dropout: Share = 0.0
    batch_norm: bool = False
    own_vectors: bool = False


@register
class Logarithmic(Stream):
    """AFN: every neuron multiplies powers of the fields' absolute values by column; an MLP reads all neurons.

    Batch normalization follows the logarithms (a channel per field) and the powers (a channel per neuron), as in the
    paper. It costs `neurons·F·D + neurons·D·hidden[0]` products per row.

    As in the public code the floor of the logarithm is 1e-5, the map of the logarithms has no bias, and AFN+'s two
    halves have an embedding table each (`own_vectors`). Its last map over two logits is left out: both end in a linear
    map. Exponents are clipped at 30, which is not in the paper. In the first steps the norm of its gradients is in the
    thousands, and Adam remembers them for a thousand more: train it with `training.gradient_norm`, 10 in the public
    code.
    """

    name = "logarithmic"
    aliases = ("afn",)
    summary = "AFN: products of learned powers of the fields, read by an MLP"
    formula = "y = MLP(BN(exp(W·BN(ln max(|v|, 1e-5)))))"
    source = "https://arxiv.org/abs/1909.03276"
    Settings = LogarithmicSettings
    examples = ({"neurons": 3, "hidden": [5, 4], "dropout": 0.1, "batch_norm": True, "own_vectors": True},)
    uncompiled = ("_normalised",)

    def __init__(self, inputs: StreamInputs, settings: LogarithmicSettings) -> None:
        super().__init__(inputs, settings)
        fields, neurons = len(inputs.fields), settings.neurons
        self.own = OwnVectors(inputs) if settings.own_vectors else None
        self.log_norm = nn.BatchNorm1d(fields)
        self.powers = nn.Linear(fields, neurons, bias=False)
        self.cross_norm = nn.BatchNorm1d(neurons)
        self.layers = logit_mlp(neurons * inputs.dim, settings)
        initialize(self)

    @classmethod
    def num_parameters(cls, inputs: StreamInputs, settings: LogarithmicSettings) -> int:
        fields, neurons = len(inputs.fields), settings.neurons
        found = neurons * fields + 2 * (fields + neurons)
        found += logit_mlp_parameters(neurons * inputs.dim, settings)
        return found + (OwnVectors.num_parameters(inputs) if settings.own_vectors else 0)

    def forward(self, vectors: Tensor, codes: Tensor) -> Tensor:
        if self.own is not None:
            vectors = self.own(vectors, codes)
        vectors = vectors.float()
        products = products_dtype(vectors)
        # An exponent rounded to bfloat16 would change a cross by some per cent.
        with torch.autocast(vectors.device.type, enabled=False):
            logarithms = self.log_norm(vectors.abs().clamp_min(SMALLEST).log())
            columns = logarithms.transpose(1, 2).flatten(0, 1)
            crosses = (
                self._normalised(columns, products)
                .unflatten(0, (vectors.shape[0], self.inputs.dim))
                .flatten(1)
            )
            weight, shift = self._first_map()
        hidden = nn.functional.linear(crosses, weight, shift)
        logit: Tensor = self.layers[1:](hidden).squeeze(1)
        return logit

    def _normalised(self, columns: Tensor, products: torch.dtype) -> Tensor:
        """Return the crosses of every column, `[B·D, F] → [B·D, neurons]`, normalized but for gain and bias."""
        norm = self.cross_norm
        assert norm.running_mean is not None and norm.running_var is not None
        mean, variance = norm.running_mean, norm.running_var
        if norm.training:
            mean, variance = _statistics(columns.detach(), self.powers.weight.detach())
            assert norm.num_batches_tracked is not None
            norm.num_batches_tracked.add_(1)
            # Without a momentum it is the mean of all batches, as in torch.
            step = 1 / norm.num_batches_tracked if norm.momentum is None else norm.momentum
            norm.running_mean.lerp_(mean, step)
            norm.running_var.lerp_(variance * (len(columns) / (len(columns) - 1)), step)
        scale = (variance + norm.eps).rsqrt()
        found: Tensor = _Normalised.apply(  # type: ignore[no-untyped-call]
            columns, self.powers.weight, mean, scale, norm.training, products
        )
        return found

    def _first_map(self) -> tuple[Tensor, Tensor]:
        """Return the MLP's first map for crosses by column, with their normalization's gain and bias folded in."""
        first = self.layers[0]
        assert isinstance(first, nn.Linear)
        weight = first.weight.unflatten(1, (self.settings.neurons, -1))
        shift = torch.addmv(first.bias, weight.sum(2), self.cross_norm.bias)
        return (weight * self.cross_norm.weight.unsqueeze(1)).transpose(1, 2).flatten(1), shift

    def tables(self) -> tuple[nn.Parameter, ...]:
        return () if self.own is None else (self.own.table,)


def _statistics(columns: Tensor, powers: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean and variance of every neuron's crosses, `[neurons]` each."""
    size = block_rows(columns, len(powers))
    # Squares are summed about the mean of some crosses, which is close to that of all, so that no digits are lost.
    centre = bounded_exp(columns[:size] @ powers.t()).mean(0)
    total, squares = torch.zeros_like(centre), torch.zeros_like(centre)
    for block in columns.split(size):
        crosses = (block @ powers.t()).clamp_max_(LARGEST_EXPONENT).exp_().sub_(centre)
        total += crosses.sum(0)
        squares += crosses.square_().sum(0)
    from_centre = total / len(columns)
    return centre + from_centre, squares / len(columns) - from_centre.square()


class _Normalised(torch.autograd.Function):
    """`(exp(columns · powersᵀ) - mean) · scale`, block by block; crosses are computed again for the gradient.

    There are hundreds of crosses per value of the input, and writing and reading them takes the time. If `mean` and
    `scale` are those of the batch, the gradient goes through them too.
    """

    @staticmethod
    def forward(
        ctx: Any,
        columns: Tensor,
        powers: Tensor,
        mean: Tensor,
        scale: Tensor,
        of_batch: bool,
        dtype: torch.dtype,
    ) -> Tensor:
        found = columns.new_empty(columns.shape[0], len(powers), dtype=dtype)
        for block, part in row_blocks(len(powers), columns, found):
            crosses = (block @ powers.t()).clamp_max_(LARGEST_EXPONENT).exp_()
            part.copy_(crosses.sub_(mean).mul_(scale))
        ctx.save_for_backward(columns, powers, mean, scale, found)
        ctx.of_batch = of_batch
        return found

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        columns, powers, mean, scale, found = ctx.saved_tensors
        size = block_rows(columns, len(powers))
        parts = list(zip(columns.split(size), gradients[0].split(size), found.split(size), strict=True))
        shift, slope = torch.zeros_like(mean), torch.zeros_like(mean)
        if ctx.of_batch:
            for _, gradient, normalised in parts:
                shift += gradient.sum(0, dtype=torch.float32)
                slope += (gradient.float() * normalised).sum(0)
            shift, slope = shift / len(columns), slope / len(columns)
        # scale · (gradient - shift - slope · normalized), times the cross, which is its own derivative.
        of_columns, of_powers = torch.empty_like(columns), torch.zeros_like(powers.t())
        for (block, gradient, _), target in zip(parts, of_columns.split(size), strict=True):
            crosses = (block @ powers.t()).clamp_max_(LARGEST_EXPONENT).exp_()
            change = torch.addcmul(mean * scale * slope - shift, crosses, -scale * slope)
            change += gradient
            change *= crosses
            change *= scale
            change = torch.where(crosses < NOT_CUT, change, 0)
            torch.mm(change, powers, out=target)
            of_powers.addmm_(block.t(), change)
        return of_columns, of_powers.t(), None, None, None, None
