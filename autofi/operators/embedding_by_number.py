"""The embedding of a number's bucket, times a map of the number itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor, nn

from autofi.data.features import Column
from autofi.data.vocabulary import FIRST_VALUE
from autofi.operators.base import Shapes, Sizes
from autofi.operators.embedding import Embedding
from autofi.operators.feature_tensors import FeatureTensors
from autofi.operators.registry import register


@register
class EmbeddingByNumber(Embedding):
    """A value's embedding, multiplied column by column by a piecewise-linear function of the value as a number.

    Within a bucket the effect may slope, scaled by the bucket's own vector. The function is 1 plus a linear map of the
    code of `piecewise_linear` (the source), without the mark for missing: a missing value has a vector of its own, and
    the function is 1 there, as it is at the lowest number. The slopes start at zero, where this is `embedding`.

    The sums of a field's slopes give the function at every border, so that a value costs two gathers and D products,
    whatever the number of bins.
    """

    name = "embedding_by_number"
    coded = False
    summary = "a learned vector per bucket or value, times a learned function of the number"
    formula = "y = E_f[x_f] ∘ (1 + W_f p_f), p_ft = clip(position(x_f) - t, 0, 1)"
    source = "https://arxiv.org/abs/2203.05556"
    starts: Tensor
    last: Tensor
    places: Tensor

    def __init__(self, slots: Sequence[Column], shapes: Shapes, sizes: Sizes) -> None:
        super().__init__(slots, shapes, sizes)
        bins = [_bins(slot, shapes) for slot in self.slots]
        self.borders = max(bins) + 1
        self.slopes = nn.Parameter(torch.zeros(sum(bins), self.dim))
        # Every slot has as many borders as the one with the most bins, so that all are summed at once.
        starts = torch.arange(len(bins), dtype=torch.int32) * self.borders
        steps = torch.arange(1, self.borders).repeat(len(bins), 1) + starts.unsqueeze(1)
        own = torch.arange(1, self.borders) <= torch.tensor(bins).unsqueeze(1)
        self.register_buffer("starts", starts, persistent=False)
        self.register_buffer("last", torch.tensor(bins, dtype=torch.int32), persistent=False)
        self.register_buffer("places", steps[own], persistent=False)

    @classmethod
    def applies(cls, slot: Column, shapes: Shapes) -> bool:
        return slot[0] in shapes.number_fields and shapes.kept[slot[0]] > FIRST_VALUE

    @classmethod
    def num_parameters(cls, slots: Sequence[Column], shapes: Shapes, sizes: Sizes) -> int:
        slopes = sum(_bins(slot, shapes) for slot in slots) * sizes.embedding_dim
        return super().num_parameters(slots, shapes, sizes) + slopes

    def read(self, features: FeatureTensors) -> Tensor:
        """Return codes, then positions, as float64: one tensor that loses no precision of either."""
        positions = features.positions([self.shapes.number_fields.index(slot[0]) for slot in self.slots])
        return torch.cat((super().read(features).double(), positions.double()), 1)

    def drawn(self, selected: Tensor) -> Tensor:
        codes, positions = selected.tensor_split(2, 1)
        return torch.cat((super().drawn(codes), positions), 1) if self.training else selected

    def forward(self, selected: Tensor) -> Tensor:
        codes, positions = selected.tensor_split(2, 1)
        codes, position = codes.to(torch.int32), positions.float().nan_to_num(0.0)
        lower = torch.minimum(position.to(torch.int32), self.last)
        upper = torch.minimum(lower + 1, self.last)
        at_borders = self._at_borders()
        found = torch.lerp(
            nn.functional.embedding(lower + self.starts, at_borders),
            nn.functional.embedding(upper + self.starts, at_borders),
            (position - lower).unsqueeze(-1).to(at_borders.dtype),
        )
        return (self.vectors(codes + self.offsets) * (1 + found)).flatten(1)

    def _at_borders(self) -> Tensor:
        """Return the mapped code at every border of every slot, `[S·borders, D]`; it is zero at the first."""
        steps = self.slopes.new_zeros(len(self.slots) * self.borders, self.dim)
        steps = steps.index_copy(0, self.places, self.slopes)
        return steps.view(-1, self.borders, self.dim).cumsum(1).flatten(0, 1)

    def subset(self, positions: Sequence[int]) -> Self:
        small = super().subset(positions)
        parts = self.slopes.detach().split(self.last.tolist())
        small.slopes = nn.Parameter(torch.cat([parts[position] for position in positions]))
        return small


def _bins(slot: Column, shapes: Shapes) -> int:
    return shapes.number_bins[shapes.number_fields.index(slot[0])]
