"""Factorization of a pair by the element-wise product of embeddings."""

from __future__ import annotations

from torch import Tensor

from autofi.data.features import Column
from autofi.operators._pair_products import Factorize
from autofi.operators.base import Shapes, Sizes
from autofi.operators.registry import register


@register
class FactorizeHadamard(Factorize):
    """The element-wise product: `D` columns per pair, which the next layers weight themselves."""

    name = "factorize_hadamard"
    summary = "the element-wise product of two embeddings"
    formula = "y = a_i * a_j"
    source = "https://arxiv.org/abs/2105.10484"

    @classmethod
    def width(cls, slot: Column, shapes: Shapes, sizes: Sizes) -> int:
        return sizes.factor_dim

    def forward(self, selected: Tensor) -> Tensor:
        left, right = self.factors(selected)
        return (left * right).flatten(1)
