"""The embedding of a field's value."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from autofi.data.features import Column
from autofi.data.vocabulary import OUT_OF_VOCABULARY
from autofi.operators._lookup import UNKNOWN_SHARE, TableOperator, some_unknown
from autofi.operators.base import Shapes, Sizes
from autofi.operators.feature_tensors import FeatureTensors
from autofi.operators.registry import register


@register
class Embedding(TableOperator):
    """One learned vector per value; a value rarer than the minimum count shares the out-of-vocabulary row.

    Numeric fields embed their bucket, multi-valued ones the whole list as one value.

    Where no training value is rare, that row would never be trained, and an unseen value would be scored by noise. In
    training, `UNKNOWN_SHARE` of such a field's codes are therefore treated as unseen, drawn anew at every step.
    """

    unknown_share: Tensor

    name = "embedding"
    choice = "field"
    arity = 1
    sizes_read = ("embedding_dim",)
    vector = True
    coded = True
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

    def __init__(self, slots: Sequence[Column], shapes: Shapes, sizes: Sizes) -> None:
        super().__init__(slots, shapes, sizes)
        self.register_buffer("unknown_share", unknown_shares(self.slots, shapes), persistent=False)

    def read(self, features: FeatureTensors) -> Tensor:
        return frequent_codes(features, [slot[0] for slot in self.slots], self.shapes)

    def drawn(self, selected: Tensor) -> Tensor:
        return some_unknown(selected, self.unknown_share, OUT_OF_VOCABULARY) if self.training else selected

    def known(self, selected: Tensor) -> Tensor:
        return selected[:, : len(self.slots)] != OUT_OF_VOCABULARY


def unknown_shares(slots: Sequence[Column], shapes: Shapes) -> Tensor:
    """Return the share of every field's codes to treat as unseen in training: 0 where rare values train that row."""
    complete = [shapes.kept[slot[0]] == shapes.cardinalities[slot[0]] for slot in slots]
    return torch.tensor(complete) * UNKNOWN_SHARE


def frequent_codes(features: FeatureTensors, fields: Sequence[int], shapes: Shapes) -> Tensor:
    """Return codes of `fields`, `[N, len(fields)]`, with rarer ones as out of vocabulary."""
    return features.codes(fields, [shapes.kept[field] for field in fields])
