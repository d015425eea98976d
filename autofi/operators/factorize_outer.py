"""Factorization of a pair by the outer product of embeddings, under a kernel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from torch import Tensor, nn

from autofi.data.features import Column
from autofi.operators._pair_products import Factorize, kernel_products, plain_kernels
from autofi.operators.base import Shapes, Sizes
from autofi.operators.registry import register


@register
class FactorizeOuter(Factorize):
    """The outer product `a_i a_jᵀ` weighted by a kernel of the pair and summed: one column per pair.

    It is the form of OptInter's outer product, and of KPNN. It costs `D²` weights per pair and `D² + D` products per
    pair and row.
    """

    name = "factorize_outer"
    summary = "the outer product of two embeddings, weighted by a kernel per pair"
    formula = "y = a_iᵀ K_ij a_j"
    source = "https://arxiv.org/abs/1807.00311"

    def __init__(self, slots: Sequence[Column], shapes: Shapes, sizes: Sizes) -> None:
        super().__init__(slots, shapes, sizes)
        self.kernels = nn.Parameter(plain_kernels(len(self.slots), sizes.factor_dim))

    @classmethod
    def width(cls, slot: Column, shapes: Shapes, sizes: Sizes) -> int:
        return 1

    @classmethod
    def num_parameters(cls, slots: Sequence[Column], shapes: Shapes, sizes: Sizes) -> int:
        return super().num_parameters(slots, shapes, sizes) + len(slots) * sizes.factor_dim**2

    def forward(self, selected: Tensor) -> Tensor:
        return kernel_products(self.vectors(selected), self.ends, self.kernels)

    def subset(self, positions: Sequence[int]) -> Self:
        small = super().subset(positions)
        small.kernels = nn.Parameter(self.kernels.detach()[list(positions)])
        return small
