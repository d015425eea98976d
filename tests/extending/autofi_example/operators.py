from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from torch import Tensor

from autofi.operators import (
    Column,
    FeatureTensors,
    NoSettings,
    Operator,
    Shapes,
    Sizes,
    Stream,
    StreamInputs,
    register,
)


@register
class Triples(Stream):
    """The sum of the products of every three field vectors, in `O(F·D)` by Newton's identities."""

    name = "triples"
    aliases = ("hofm",)
    summary = "products of every three field vectors, summed"
    formula = "y = Σ_{i<j<k} Σ_d v_id v_jd v_kd"
    source = "https://arxiv.org/abs/1607.07195"

    @classmethod
    def num_parameters(cls, inputs: StreamInputs, settings: NoSettings) -> int:
        return 0

    def forward(self, vectors: Tensor, codes: Tensor) -> Tensor:
        first, second, third = (vectors.pow(power).sum(1) for power in (1, 2, 3))
        return ((first**3 - 3 * first * second + 2 * third) / 6).sum(1)


# Not decorated: the entry point registers it.
class SquaredPosition(Operator):
    """The square of a number's position among its bins; 0 if missing."""

    name = "squared_position"
    choice = "field"
    arity = 1
    summary = "the square of a number's position within its quantile bins"
    formula = "y = position(x_f)²"
    source = ""

    @classmethod
    def applies(cls, slot: Column, shapes: Shapes) -> bool:
        return slot[0] in shapes.number_fields

    @classmethod
    def width(cls, slot: Column, shapes: Shapes, sizes: Sizes) -> int:
        return 1

    @classmethod
    def table_rows(cls, slots: Sequence[Column], shapes: Shapes, sizes: Sizes) -> int:
        return 0

    @classmethod
    def num_parameters(cls, slots: Sequence[Column], shapes: Shapes, sizes: Sizes) -> int:
        return 0

    def read(self, features: FeatureTensors) -> Tensor:
        return features.positions([self.shapes.number_fields.index(slot[0]) for slot in self.slots])

    def forward(self, selected: Tensor) -> Tensor:
        return selected.nan_to_num(0.0).square()

    def subset(self, positions: Sequence[int]) -> Self:
        return type(self)([self.slots[position] for position in positions], self.shapes, self.sizes).train(
            self.training
        )
