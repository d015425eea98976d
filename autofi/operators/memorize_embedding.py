"""Memorization of a pair by an embedding of its cross."""

from __future__ import annotations

import torch
from torch import Tensor

from autofi.data.features import Column
from autofi.operators._lookup import TableOperator
from autofi.operators.base import Shapes, Sizes
from autofi.operators.feature_tensors import FeatureTensors
from autofi.operators.registry import register


@register
class MemorizeEmbedding(TableOperator):
    """One learned vector per cell of the cross that is frequent in training; all other cells share one row.

    It departs from the public code: each pair is encoded with its own dictionary (the code reads another pair's for all
    but the first), cells are counted on training rows, and the out-of-vocabulary row is trained, because a cell seen
    once belongs to it.
    """

    name = "memorize_embedding"
    choice = "memorize"
    arity = 2
    sizes_read = ("cross_dim",)
    summary = "a learned vector per frequent cell of the cross"
    formula = "y = C_ij[(x_i, x_j)]"
    source = "https://arxiv.org/abs/2105.10484"

    @classmethod
    def applies(cls, slot: Column, shapes: Shapes) -> bool:
        return slot in shapes.cross_rows

    @classmethod
    def width(cls, slot: Column, shapes: Shapes, sizes: Sizes) -> int:
        return sizes.cross_dim

    @classmethod
    def rows(cls, slot: Column, shapes: Shapes) -> int:
        return shapes.cross_rows[(slot[0], slot[1])]

    def read(self, features: FeatureTensors) -> Tensor:
        rows = features.cross_rows([(slot[0], slot[1]) for slot in self.slots])
        # Cells are sorted by falling count: those after the kept ones are too rare for a higher minimum count.
        return torch.where(rows < torch.tensor(self.slot_rows, dtype=rows.dtype), rows, 0)

    def known(self, selected: Tensor) -> Tensor:
        return selected > 0
