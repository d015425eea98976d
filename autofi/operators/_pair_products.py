"""Operators that multiply two embeddings, the common part of every factorized form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn

from autofi.data.features import Column
from autofi.operators._row_blocks import products_dtype
from autofi.operators.base import (
    Operator,
    Shapes,
    Sizes,
    TableBlock,
    blocks_of,
    gather_rows,
    look_up,
    table_offsets,
)
from autofi.operators.embedding import frequent_codes
from autofi.operators.feature_tensors import FeatureTensors

#: A product of two small vectors is smaller still, so factors start larger than embeddings; otherwise they would
#: not start to learn.
INITIAL_DEVIATION = 0.1


class Factorize(Operator):
    """A product of second embeddings of both fields, separate from the fields' own, as in OptInter."""

    choice = "factorize"
    multiplied = True
    arity = 2
    sizes_read = ("factor_dim",)
    ends: Tensor
    offsets: Tensor

    def __init__(self, slots: Sequence[Column], shapes: Shapes, sizes: Sizes) -> None:
        super().__init__(slots, shapes, sizes)
        self.fields = sorted({field for slot in self.slots for field in slot})
        self.field_rows = tuple(shapes.kept[field] for field in self.fields)
        self.table = nn.Parameter(torch.randn(sum(self.field_rows), sizes.factor_dim) * INITIAL_DEVIATION)
        where = {field: position for position, field in enumerate(self.fields)}
        ends = torch.tensor([[where[slot[end]] for slot in self.slots] for end in (0, 1)])
        self.register_buffer("ends", ends, persistent=False)
        self.register_buffer("offsets", table_offsets(self.field_rows), persistent=False)

    @classmethod
    def applies(cls, slot: Column, shapes: Shapes) -> bool:
        return len(slot) == 2

    @classmethod
    def table_rows(cls, slots: Sequence[Column], shapes: Shapes, sizes: Sizes) -> int:
        return sum(shapes.kept[field] for field in {field for slot in slots for field in slot})

    @classmethod
    def num_parameters(cls, slots: Sequence[Column], shapes: Shapes, sizes: Sizes) -> int:
        return cls.table_rows(slots, shapes, sizes) * sizes.factor_dim

    def read(self, features: FeatureTensors) -> Tensor:
        return frequent_codes(features, self.fields, self.shapes)

    def vectors(self, selected: Tensor) -> Tensor:
        """Return the second embeddings of `fields`, `[B, len(fields), D]`."""
        return look_up(self.table, selected + self.offsets)

    def factors(self, selected: Tensor) -> tuple[Tensor, Tensor]:
        """Return the left and right vectors of every pair, each `[B, P, D]`."""
        vectors = self.vectors(selected)
        return vectors.index_select(1, self.ends[0]), vectors.index_select(1, self.ends[1])

    def subset(self, positions: Sequence[int]) -> Self:
        with torch.random.fork_rng(devices=[]):
            small = type(self)([self.slots[position] for position in positions], self.shapes, self.sizes)
        where = [self.fields.index(field) for field in small.fields]
        small.table = nn.Parameter(gather_rows(self.table, self.field_rows, where))
        return small.to(self.table.device).train(self.training)

    def tables(self) -> tuple[nn.Parameter, ...]:
        return (self.table,)

    def table_blocks(self) -> tuple[TableBlock, ...]:
        return blocks_of([[self.shapes.names[field]] for field in self.fields], self.field_rows)


def inner_products(vectors: Tensor, ends: Tensor) -> Tensor:
    """Return `<v_i, v_j>` of every pair by one batched product: vectors `[B, F, D]`, ends `[2, P]` → `[B, P]`.

    The pairs must be distinct, and of two different fields each.
    """
    # From here on the dtype is that of the product, as for its gradient.
    found: Tensor = _InnerProducts.apply(vectors.to(products_dtype(vectors)), ends)  # type: ignore[no-untyped-call]
    return found


class _InnerProducts(torch.autograd.Function):
    """Inner products with the explicit gradient of the symmetric square: one product, gathered instead of scattered."""

    @staticmethod
    def forward(ctx: Any, vectors: Tensor, ends: Tensor) -> Tensor:
        ctx.save_for_backward(vectors, ends)
        square = torch.bmm(vectors, vectors.transpose(1, 2)).flatten(1)
        return square.index_select(1, ends[0] * vectors.shape[1] + ends[1])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        vectors, ends = ctx.saved_tensors
        fields, pairs = vectors.shape[1], ends.shape[1]
        # The position of every product's gradient; the position after the last holds a zero.
        places = ends.new_full((fields, fields), pairs)
        places[ends[0], ends[1]] = places[ends[1], ends[0]] = torch.arange(pairs, device=ends.device)
        square = nn.functional.pad(gradients[0], (0, 1)).index_select(1, places.flatten())
        return torch.bmm(square.view(-1, fields, fields), vectors), None


def kernel_products(vectors: Tensor, ends: Tensor, kernels: Tensor) -> Tensor:
    """Return `v_iᵀ K_p v_j` per pair: vectors `[B, F, D]`, ends `[2, P]`, kernels `[P, D, D]` → `[B, P]`."""
    # Rows are the last axis: all pairs are one batched product, and the next operations run along the rows.
    by_field = vectors.permute(1, 2, 0).contiguous()
    left, right = by_field.index_select(0, ends[0]), by_field.index_select(0, ends[1])
    mapped = torch.bmm(kernels, right)
    # Convert first: torch multiplies float32 by bfloat16 element by element, without vector instructions.
    return (left * mapped.to(left.dtype)).sum(1).t()


def plain_kernels(pairs: int, dim: int) -> Tensor:
    """Return the initial kernels `[pairs, dim, dim]`, with which `kernel_products` are inner products."""
    return torch.eye(dim).repeat(pairs, 1, 1)
