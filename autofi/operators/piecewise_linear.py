"""The piecewise-linear code of a value that is read as a number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
import torch
from torch import Tensor

from autofi.data.features import Column
from autofi.operators.base import Operator, Shapes, Sizes
from autofi.operators.feature_tensors import FeatureTensors
from autofi.operators.registry import register


@register
class PiecewiseLinear(Operator):
    """The value's progress through each quantile bin: ones, a fraction, zeros, and a mark for missing.

    It departs from the paper: bins come from the encoder's borders, and the missing mark is a column of its own.
    """

    name = "piecewise_linear"
    choice = "field"
    arity = 1
    summary = "the position of a number within its quantile bins"
    formula = "y_t = clip(position(x_f) - t, 0, 1), and 1 if missing"
    source = "https://arxiv.org/abs/2203.05556"
    reads: Tensor
    bin: Tensor
    codes_at: Tensor
    marks_at: Tensor

    def __init__(self, slots: Sequence[Column], shapes: Shapes, sizes: Sizes) -> None:
        super().__init__(slots, shapes, sizes)
        bins = [self._bins(slot, shapes) for slot in self.slots]
        # One column per bin of every slot: the slot it reads, and its bin.
        self.register_buffer("reads", torch.repeat_interleave(torch.tensor(bins)), persistent=False)
        self.register_buffer("bin", torch.cat([torch.arange(count) for count in bins]), persistent=False)
        widths = [count + 1 for count in bins]
        starts = np.cumsum([0, *widths[:-1]])
        marks = torch.tensor(starts + np.array(bins))
        order = torch.ones(sum(widths), dtype=torch.bool)
        order[marks] = False
        self.register_buffer("codes_at", order.nonzero().flatten(), persistent=False)
        self.register_buffer("marks_at", marks, persistent=False)

    @staticmethod
    def _bins(slot: Column, shapes: Shapes) -> int:
        return shapes.number_bins[shapes.number_fields.index(slot[0])]

    @classmethod
    def applies(cls, slot: Column, shapes: Shapes) -> bool:
        return slot[0] in shapes.number_fields

    @classmethod
    def width(cls, slot: Column, shapes: Shapes, sizes: Sizes) -> int:
        return cls._bins(slot, shapes) + 1

    @classmethod
    def table_rows(cls, slots: Sequence[Column], shapes: Shapes, sizes: Sizes) -> int:
        return 0

    @classmethod
    def num_parameters(cls, slots: Sequence[Column], shapes: Shapes, sizes: Sizes) -> int:
        return 0

    def read(self, features: FeatureTensors) -> Tensor:
        return features.positions([self.shapes.number_fields.index(slot[0]) for slot in self.slots])

    def forward(self, selected: Tensor) -> Tensor:
        missing = selected.isnan()
        position = selected.nan_to_num(0.0).index_select(1, self.reads)  # [B, all bins]
        codes = (position - self.bin).clamp(0, 1)
        out = codes.new_empty(selected.shape[0], len(self.codes_at) + len(self.marks_at))
        out[:, self.codes_at] = codes
        out[:, self.marks_at] = missing.to(codes.dtype)
        return out

    def subset(self, positions: Sequence[int]) -> Self:
        small = type(self)([self.slots[position] for position in positions], self.shapes, self.sizes)
        return small.to(self.reads.device).train(self.training)
