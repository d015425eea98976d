"""The periodic embedding of a value that is read as a number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor, nn

from autofi.data.features import Column
from autofi.operators.base import Operator, Shapes, Sizes
from autofi.operators.feature_tensors import FeatureTensors
from autofi.operators.registry import register

#: Standard deviation of the initial frequencies, in turns over the whole range of the field.
INITIAL_FREQUENCY = 1.0


@register
class Periodic(Operator):
    """Sines and cosines of the value's position at learned frequencies; a missing value gives zeros.

    It departs from the paper: the position among quantile borders stands for the value, so heavy tails need no care.
    """

    name = "periodic"
    choice = "field"
    arity = 1
    sizes_read = ("embedding_dim",)
    summary = "sines and cosines of a number's position at learned frequencies"
    formula = "y = (sin(2 pi w_k u), cos(2 pi w_k u)), u = position(x_f) / bins"
    source = "https://arxiv.org/abs/2203.05556"
    bins: Tensor

    def __init__(self, slots: Sequence[Column], shapes: Shapes, sizes: Sizes) -> None:
        super().__init__(slots, shapes, sizes)
        half = sizes.embedding_dim // 2
        self.frequencies = nn.Parameter(torch.randn(len(self.slots), half) * INITIAL_FREQUENCY)
        bins = [shapes.number_bins[shapes.number_fields.index(slot[0])] for slot in self.slots]
        # A constant field has no bins, and all its positions are 0.
        self.register_buffer("bins", torch.tensor(bins, dtype=torch.float32).clamp(min=1), persistent=False)

    @classmethod
    def applies(cls, slot: Column, shapes: Shapes) -> bool:
        return slot[0] in shapes.number_fields

    @classmethod
    def width(cls, slot: Column, shapes: Shapes, sizes: Sizes) -> int:
        return 2 * (sizes.embedding_dim // 2)

    @classmethod
    def table_rows(cls, slots: Sequence[Column], shapes: Shapes, sizes: Sizes) -> int:
        return 0

    @classmethod
    def num_parameters(cls, slots: Sequence[Column], shapes: Shapes, sizes: Sizes) -> int:
        return len(slots) * (sizes.embedding_dim // 2)

    def read(self, features: FeatureTensors) -> Tensor:
        return features.positions([self.shapes.number_fields.index(slot[0]) for slot in self.slots])

    def forward(self, selected: Tensor) -> Tensor:
        present = ~selected.isnan().unsqueeze(-1)
        turns = selected.nan_to_num(0.0) / self.bins
        angle = (2 * math.pi * turns).unsqueeze(-1) * self.frequencies  # [B, S, K]
        return (torch.cat((angle.sin(), angle.cos()), dim=-1) * present).flatten(1)

    def subset(self, positions: Sequence[int]) -> Self:
        with torch.random.fork_rng(devices=[]):
            small = type(self)([self.slots[position] for position in positions], self.shapes, self.sizes)
        small.frequencies = nn.Parameter(self.frequencies.detach()[list(positions)].clone())
        return small.to(self.frequencies.device).train(self.training)
