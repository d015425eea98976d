"""Operators that read target encodings, the common part of a field's and a cross's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor, nn

from autofi.data.features import Column
from autofi.operators.base import Operator, Shapes, Sizes
from autofi.operators.feature_tensors import FeatureTensors

#: The initial weight of the prior, in rows, against a cell's own rows; it is learned.
INITIAL_STRENGTH = 10.0


class Statistics(Operator):
    """A target encoding: count n and clicks c of a cell, without the row itself, become two numbers.

    The click rate is shrunk toward the overall rate p by m rows of prior, and m is learned per slot; the count is
    standardized over the training rows. Counts are out of fold on training rows, and from all training rows elsewhere.
    """

    formula = "y = (logit((c + m p) / (n + m)) - logit(p), standardised log(1 + n)), m learned"
    source = "https://doi.org/10.1145/507533.507538"
    means: Tensor
    deviations: Tensor

    def __init__(self, slots: Sequence[Column], shapes: Shapes, sizes: Sizes) -> None:
        super().__init__(slots, shapes, sizes)
        self.log_strength = nn.Parameter(torch.full((len(self.slots),), math.log(INITIAL_STRENGTH)))
        means, deviations = zip(*(shapes.log_counts[slot] for slot in self.slots), strict=True)
        self.register_buffer("means", torch.tensor(means), persistent=False)
        self.register_buffer("deviations", torch.tensor(deviations), persistent=False)

    @classmethod
    def applies(cls, slot: Column, shapes: Shapes) -> bool:
        return len(slot) == cls.arity and slot in shapes.log_counts

    @classmethod
    def width(cls, slot: Column, shapes: Shapes, sizes: Sizes) -> int:
        return 2

    @classmethod
    def table_rows(cls, slots: Sequence[Column], shapes: Shapes, sizes: Sizes) -> int:
        return 0

    @classmethod
    def num_parameters(cls, slots: Sequence[Column], shapes: Shapes, sizes: Sizes) -> int:
        return len(slots)

    def read(self, features: FeatureTensors) -> Tensor:
        return features.counts_and_clicks(self.slots)

    def forward(self, selected: Tensor) -> Tensor:
        count, clicks = selected.unbind(-1)  # [B, S]
        prior, strength = self.shapes.prior, self.log_strength.exp()
        rate = torch.log((clicks + strength * prior) / (count - clicks + strength * (1 - prior)))
        rate = rate - math.log(prior / (1 - prior))
        seen = (count.log1p() - self.means) / self.deviations
        return torch.stack((rate, seen), dim=-1).flatten(1)

    def known(self, selected: Tensor) -> Tensor:
        return selected[..., 0] > 0

    def subset(self, positions: Sequence[int]) -> Self:
        small = type(self)([self.slots[position] for position in positions], self.shapes, self.sizes)
        small.log_strength = nn.Parameter(self.log_strength.detach()[list(positions)].clone())
        return small.to(self.log_strength.device).train(self.training)
