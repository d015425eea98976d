"""The embedding of a field's value, shrunk to the mean of its field if training saw the value rarely."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from autofi.data.features import Column
from autofi.data.vocabulary import OUT_OF_VOCABULARY
from autofi.operators._target_statistics import INITIAL_STRENGTH
from autofi.operators.base import Shapes, Sizes, look_up
from autofi.operators.embedding import Embedding
from autofi.operators.registry import register


@register
class ShrunkEmbedding(Embedding):
    """An embedding shrunk by frequency: the fewer training rows a value has, the closer it is to its field's mean.

    Empirical Bayes shrinks a value's click rate (the source; see `statistics`); this does the same to its vector. The
    mean vector and the strength of the shrinkage, in rows, are learned by field. Rare values together are one value
    with as many rows as they have; if none is rare, unseen values have no rows and are the mean itself.

    The mean is read by every row and is not a lookup table: embedding L2 pulls values to it, not it to zero. The cost
    is one gather of a number per value more than for `embedding`.
    """

    name = "shrunk_embedding"
    summary = "a learned vector per value, shrunk to the mean of the field where the value is rare"
    formula = "y = c E_f[x_f] + (1 - c) m_f, c = n / (n + exp(k_f)), n training rows of x_f"
    source = "https://doi.org/10.1145/507533.507538"
    counts: Tensor

    def __init__(self, slots: Sequence[Column], shapes: Shapes, sizes: Sizes) -> None:
        super().__init__(slots, shapes, sizes)
        self.means = nn.Parameter(torch.zeros(len(self.slots), self.dim))
        self.log_strength = nn.Parameter(torch.full((len(self.slots),), math.log(INITIAL_STRENGTH)))
        counts = []
        for slot, kept in zip(self.slots, self.slot_rows, strict=True):
            frequent = shapes.counts[slot[0]][:kept].astype(np.float32)
            frequent[OUT_OF_VOCABULARY] += shapes.counts[slot[0]][kept:].sum()
            counts.append(torch.from_numpy(frequent))
        self.register_buffer("counts", torch.cat(counts), persistent=False)

    @classmethod
    def applies(cls, slot: Column, shapes: Shapes) -> bool:
        return slot[0] < len(shapes.counts)

    @classmethod
    def num_parameters(cls, slots: Sequence[Column], shapes: Shapes, sizes: Sizes) -> int:
        return super().num_parameters(slots, shapes, sizes) + len(slots) * (sizes.embedding_dim + 1)

    def forward(self, selected: Tensor) -> Tensor:
        rows = selected + self.offsets
        counts = self.counts.index_select(0, rows.flatten()).view(rows.shape)
        share = (counts / (counts + self.log_strength.exp())).unsqueeze(-1)
        return torch.lerp(self.means, look_up(self.table, rows), share).flatten(1)

    def subset(self, positions: Sequence[int]) -> Self:
        small = super().subset(positions)
        small.means = nn.Parameter(self.means.detach()[list(positions)].clone())
        small.log_strength = nn.Parameter(self.log_strength.detach()[list(positions)].clone())
        return small
