"""Operators that look up one row per slot in a shared table, the common part of embedding and memorizing."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor, nn

from autofi.data.features import Column
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

#: Embeddings start small, so that a row has no effect before it has been trained: on wide sparse tables, ten times
#: this costs .002 to .005 AUC after an epoch.
INITIAL_DEVIATION = 1e-3
#: The share of codes treated as unseen in training, for fields without rare values: enough to train that row.
UNKNOWN_SHARE = 0.002


class TableOperator(Operator):
    """`y[s] = table[offset[s] + code[s]]`: one gather for all slots, `[B, S] → [B, S·D]`."""

    offsets: Tensor

    @classmethod
    @abstractmethod
    def rows(cls, slot: Column, shapes: Shapes) -> int:
        """Return the number of rows this slot needs in the shared table."""

    def __init__(self, slots: Sequence[Column], shapes: Shapes, sizes: Sizes) -> None:
        super().__init__(slots, shapes, sizes)
        self.dim = self.width(self.slots[0], shapes, sizes)
        self.slot_rows = tuple(self.rows(slot, shapes) for slot in self.slots)
        self.table = nn.Parameter(torch.randn(sum(self.slot_rows), self.dim) * INITIAL_DEVIATION)
        self.register_buffer("offsets", table_offsets(self.slot_rows), persistent=False)

    @classmethod
    def table_rows(cls, slots: Sequence[Column], shapes: Shapes, sizes: Sizes) -> int:
        return sum(cls.rows(slot, shapes) for slot in slots)

    @classmethod
    def num_parameters(cls, slots: Sequence[Column], shapes: Shapes, sizes: Sizes) -> int:
        return sum(cls.rows(slot, shapes) * cls.width(slot, shapes, sizes) for slot in slots)

    def forward(self, selected: Tensor) -> Tensor:
        return self.vectors(selected + self.offsets).flatten(1)

    def vectors(self, rows: Tensor) -> Tensor:
        """Return the vectors of rows of the shared table, `[B, S] → [B, S, D]`."""
        return look_up(self.table, rows)

    def subset(self, positions: Sequence[int]) -> Self:
        with torch.random.fork_rng(devices=[]):
            small = type(self)([self.slots[position] for position in positions], self.shapes, self.sizes)
        small.table = nn.Parameter(gather_rows(self.table, self.slot_rows, positions))
        return small.to(self.table.device).train(self.training)

    def tables(self) -> tuple[nn.Parameter, ...]:
        return (self.table,)

    def table_blocks(self) -> tuple[TableBlock, ...]:
        names = [[self.shapes.names[field] for field in slot] for slot in self.slots]
        return blocks_of(names, self.slot_rows)


def some_unknown(codes: Tensor, share: Tensor | float, unknown: Tensor | int) -> Tensor:
    """Return `codes` with a random `share` of them replaced by `unknown`; both broadcast."""
    return torch.where(torch.rand(codes.shape, device=codes.device) < share, unknown, codes)
