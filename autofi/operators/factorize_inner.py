"""Factorizing a pair by the inner product of embeddings."""

from __future__ import annotations

import torch
from torch import Tensor

from autofi.data.features import Column
from autofi.operators.base import Shapes, Sizes
from autofi.operators.products import Factorize
from autofi.operators.registry import register


@register
class FactorizeInner(Factorize):
    """The inner product: one column per pair; with a summing read-out this is the factorization machine."""

    name = "factorize_inner"
    summary = "the inner product of two embeddings"
    formula = "y = <a_i, a_j>"
    source = "https://doi.org/10.1109/ICDM.2010.127"

    @classmethod
    def width(cls, slot: Column, shapes: Shapes, sizes: Sizes) -> int:
        return 1

    def forward(self, selected: Tensor) -> Tensor:
        left, right = self.factors(selected)
        return torch.einsum("bpd,bpd->bp", left, right)
