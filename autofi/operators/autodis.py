"""Soft discretization of a value that is read as a number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor, nn

from autofi.data.features import Column
from autofi.operators.base import Operator, Shapes, Sizes
from autofi.operators.feature_tensors import FeatureTensors
from autofi.operators.registry import register

#: Vectors per field, which its values are mixtures of.
META_EMBEDDINGS = 16
#: Weight of the skip connection from the first layer to the second.
SKIP = 0.5
#: Temperature of the scores: near 0 a value takes one vector, at large values it takes all of them equally.
TEMPERATURE = 0.2
#: Slope of the first layer below zero.
LEAK = 0.01
#: Initial deviation of the vectors: every row trains all of them, so they need not start as small as table rows.
INITIAL_DEVIATION = 0.1


@register
class AutoDis(Operator):
    """AutoDis: a value is a mixture of its field's vectors, with shares from two small layers; missing is zeros.

    It departs from the paper in two points. The position among quantile borders stands for the value, as in `periodic`.
    The first layer has biases, because without them all scores of a field are lines through one point, and its values
    divide into bins only there. It costs `H² + H·D` products per row and slot.
    """

    name = "autodis"
    choice = "field"
    arity = 1
    vector = True
    sizes_read = ("embedding_dim",)
    summary = "a mixture of learned vectors, in shares that depend on a number's position"
    formula = (
        "y = Σ_h softmax_h(s / τ) m_h, s = W a + α a, a = LeakyReLU(w u + b), u = 2 position(x_f) / bins - 1"
    )
    source = "https://arxiv.org/abs/2012.08986"
    bins: Tensor

    def __init__(self, slots: Sequence[Column], shapes: Shapes, sizes: Sizes) -> None:
        super().__init__(slots, shapes, sizes)
        count, meta = len(self.slots), META_EMBEDDINGS
        self.slopes = nn.Parameter(torch.randn(count, meta))
        # The point where a slope changes its sign lies within the range of the field.
        self.shifts = nn.Parameter(torch.rand(count, meta) * 2 - 1)
        self.mixing = nn.Parameter(torch.randn(count, meta, meta) * meta**-0.5)
        self.vectors = nn.Parameter(torch.randn(count, meta, sizes.embedding_dim) * INITIAL_DEVIATION)
        bins = [shapes.number_bins[shapes.number_fields.index(slot[0])] for slot in self.slots]
        # A constant field has no bins, and all its positions are 0.
        self.register_buffer("bins", torch.tensor(bins, dtype=torch.float32).clamp(min=1), persistent=False)

    @classmethod
    def applies(cls, slot: Column, shapes: Shapes) -> bool:
        return slot[0] in shapes.number_fields

    @classmethod
    def width(cls, slot: Column, shapes: Shapes, sizes: Sizes) -> int:
        return sizes.embedding_dim

    @classmethod
    def table_rows(cls, slots: Sequence[Column], shapes: Shapes, sizes: Sizes) -> int:
        return 0

    @classmethod
    def num_parameters(cls, slots: Sequence[Column], shapes: Shapes, sizes: Sizes) -> int:
        return len(slots) * META_EMBEDDINGS * (2 + META_EMBEDDINGS + sizes.embedding_dim)

    def read(self, features: FeatureTensors) -> Tensor:
        return features.positions([self.shapes.number_fields.index(slot[0]) for slot in self.slots])

    def forward(self, selected: Tensor) -> Tensor:
        present = ~selected.isnan().unsqueeze(-1)
        place = 2 * selected.nan_to_num(0.0) / self.bins - 1
        # Slots are the first axis, so that a layer is one batched product for all of them: [S, B, H].
        first = place.T.unsqueeze(-1) * self.slopes.unsqueeze(1) + self.shifts.unsqueeze(1)
        first = nn.functional.leaky_relu(first, LEAK)
        scores = torch.bmm(first, self.mixing) + SKIP * first
        # Convert where a training multiplies in bfloat16, which keeps less than three digits of the exponents.
        shares = (scores.to(self.vectors.dtype) / TEMPERATURE).softmax(-1)
        mixed = torch.bmm(shares, self.vectors).transpose(0, 1)
        return (mixed * present).flatten(1)

    def subset(self, positions: Sequence[int]) -> Self:
        with torch.random.fork_rng(devices=[]):
            small = type(self)([self.slots[position] for position in positions], self.shapes, self.sizes)
        for name, own in self.named_parameters():
            setattr(small, name, nn.Parameter(own.detach()[list(positions)].clone()))
        return small.to(self.vectors.device).train(self.training)
