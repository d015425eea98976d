"""Factorization of a pair by the inner product of embeddings."""

from __future__ import annotations

from torch import Tensor

from autofi.data.features import Column
from autofi.operators._pair_products import Factorize, inner_products
from autofi.operators.base import Shapes, Sizes
from autofi.operators.registry import register

#: Pairs are multiplied one by one if they are less than this share of all products of two fields.
SPARSE = 40


@register
class FactorizeInner(Factorize):
    """The inner product: one column per pair; with a summing head this is the factorization machine."""

    name = "factorize_inner"
    summary = "the inner product of two embeddings"
    formula = "y = <a_i, a_j>"
    source = "https://doi.org/10.1109/ICDM.2010.127"

    @classmethod
    def width(cls, slot: Column, shapes: Shapes, sizes: Sizes) -> int:
        return 1

    def forward(self, selected: Tensor) -> Tensor:
        if SPARSE * len(self.slots) < len(self.fields) ** 2:
            left, right = self.factors(selected)
            return (left * right).sum(2)
        return inner_products(self.vectors(selected), self.ends)
