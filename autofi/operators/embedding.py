"""The embedding of a field's value."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from autofi.data.features import Column, Features
from autofi.operators.base import Shapes, Sizes
from autofi.operators.registry import register
from autofi.operators.tables import TableOperator


@register
class Embedding(TableOperator):
    """One learned vector per value; a value rarer than the minimum count shares the out-of-vocabulary row.

    Numeric fields embed their bucket, multi-valued ones the whole list as one value.
    """

    name = "embedding"
    choice = "field"
    arity = 1
    summary = "a learned vector per value (numeric fields: per bucket)"
    formula = "y = E_f[x_f]"
    source = "https://arxiv.org/abs/1601.02376"

    @classmethod
    def applies(cls, slot: Column, shapes: Shapes) -> bool:
        return True

    @classmethod
    def width(cls, slot: Column, shapes: Shapes, sizes: Sizes) -> int:
        return sizes.embedding_dim

    @classmethod
    def rows(cls, slot: Column, shapes: Shapes) -> int:
        return shapes.kept[slot[0]]

    def select(self, features: Features) -> Tensor:
        return frequent_codes(features, [slot[0] for slot in self.slots], self.shapes)


def frequent_codes(features: Features, fields: list[int], shapes: Shapes) -> Tensor:
    """Codes of `fields`, int32 `[N, len(fields)]`; rarer ones become out of vocabulary."""
    codes = features.ids[:, fields]
    kept = np.array([shapes.kept[field] for field in fields], dtype=np.int32)
    return torch.from_numpy(np.where(codes < kept, codes, np.int32(1)))
