"""Embeddings with gates that training may close, the common part of gates by value and by field."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Self

import torch
from torch import Tensor, nn

from autofi.data.features import Column
from autofi.operators.base import Shapes, Sizes, TableBlock, look_up
from autofi.operators.embedding import Embedding
from autofi.operators.explains import RowWeights

#: The initial weight of every gate: at temperature 1 its factor is 1.
INITIAL_WEIGHT = 0.5


class GatedTable(Embedding):
    """Embeddings times a factor `s(t·w) / s(½)` of a learned weight w and a temperature t that rises while gates learn.

    `training.gate_pruning` moves the weights, then closes the gates whose weight is not above zero: the table keeps
    only the rows behind open gates, and 4 bytes for every original row.
    """

    #: The position of every row among the kept rows, -1 for a closed one; None while the gates learn.
    row_of: Tensor | None

    def __init__(self, slots: Sequence[Column], shapes: Shapes, sizes: Sizes) -> None:
        super().__init__(slots, shapes, sizes)
        count = self.num_gates(self.slots, shapes)
        self.gates: nn.Parameter | None = nn.Parameter(torch.full((count, 1), INITIAL_WEIGHT))
        self.temperature = 1.0
        #: A factor of every vector, `[B, S, 1]`, whose gradient is needed; see `training.gate_pruning`.
        self.probe: Tensor | None = None
        self.register_buffer("row_of", None)

    @classmethod
    @abstractmethod
    def num_gates(cls, slots: Sequence[Column], shapes: Shapes) -> int:
        """Return the number of gates for `slots`."""

    @classmethod
    def num_parameters(cls, slots: Sequence[Column], shapes: Shapes, sizes: Sizes) -> int:
        return super().num_parameters(slots, shapes, sizes) + cls.num_gates(slots, shapes)

    @abstractmethod
    def weights_of(self, rows: Tensor) -> Tensor:
        """Return the gates' weights at rows of the whole table, `[B, S] → [B, S, 1]`, or a broadcastable tensor."""

    @abstractmethod
    def by_row(self, values: Tensor) -> Tensor:
        """Return one value per row of the whole table from one value per gate."""

    @abstractmethod
    def by_gate(self, values: Tensor) -> Tensor:
        """Return the sums by gate of one value per row of the whole table."""

    def vectors(self, rows: Tensor) -> Tensor:
        if self.row_of is None:
            factors = self._factors(rows)
            return look_up(self.table, rows) * (factors if self.probe is None else factors * self.probe)
        kept = self.row_of[rows]
        return look_up(self.table, kept.clamp(min=0)) * (kept >= 0).unsqueeze(-1)

    def row_places(self) -> Tensor | None:
        return self.row_of

    def table_blocks(self) -> tuple[TableBlock, ...]:
        found = super().table_blocks()
        if self.row_of is None:
            return found
        kept = [int((part >= 0).sum()) for part in self.row_of.split(list(self.slot_rows))]
        return tuple(replace(block, rows=rows) for block, rows in zip(found, kept, strict=True))

    def _factors(self, rows: Tensor) -> Tensor:
        return torch.sigmoid(self.temperature * self.weights_of(rows)) / _sigmoid(INITIAL_WEIGHT)

    def explained(self, selected: Tensor) -> list[RowWeights]:
        """Return the gate of every field's value; 0 is closed."""
        rows = selected + self.offsets
        if self.row_of is None:
            factors = self._factors(rows)
        else:
            factors = (self.row_of[rows] >= 0).unsqueeze(-1).to(self.table.dtype)
        names = tuple(self.shapes.names[slot[0]] for slot in self.slots)
        return [RowWeights("gates", names, factors.squeeze(-1).expand(len(rows), -1))]

    def opened(self) -> Tensor:
        """Return a mask of the rows behind gates with a weight above zero, or if there is none, the widest gate."""
        assert self.gates is not None
        weights = self.gates.detach().squeeze(1)
        opened = self.by_row(weights > 0)
        return opened if opened.any() else self.by_row(weights == weights.max())

    def close(self, opened: Tensor) -> None:
        """Keep only these rows of the table; the others give zeros from now on."""
        self._keep(opened, self.table.detach())

    def _keep(self, opened: Tensor, table: Tensor) -> None:
        places = opened.cumsum(0) - 1
        self.row_of = torch.where(opened, places, -1).to(torch.int32)
        self.table = nn.Parameter(table[opened].clone())
        self.gates = None

    def subset(self, positions: Sequence[int]) -> Self:
        if self.row_of is None:
            small = super().subset(positions)
            assert self.gates is not None
            everything = self.by_row(torch.arange(len(self.gates), device=self.table.device))
            parts = everything.split(list(self.slot_rows))
            chosen = torch.cat([parts[position].unique() for position in positions])
            small.gates = nn.Parameter(self.gates.detach()[chosen].clone())
            small.temperature = self.temperature
            return small
        with torch.random.fork_rng(devices=[]):
            small = type(self)([self.slots[position] for position in positions], self.shapes, self.sizes)
        parts = self.row_of.split(list(self.slot_rows))
        rows = torch.cat([parts[position] for position in positions])
        whole = self.table.detach().new_zeros(len(rows), self.dim)
        whole[rows >= 0] = self.table.detach()[rows[rows >= 0]]
        small._keep(rows >= 0, whole)
        return small.to(self.table.device).train(self.training)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        # These are weights of a network whose gates are closed, with as many rows as were kept.
        row_of = state_dict.get(f"{prefix}row_of")
        if row_of is not None:
            self.row_of = torch.empty_like(row_of, device=self.table.device)
            kept = state_dict[f"{prefix}table"]
            if kept.shape != self.table.shape:
                self.table = nn.Parameter(torch.empty_like(kept, device=self.table.device))
            self.gates = None
        super()._load_from_state_dict(state_dict, prefix, *rest)


def _sigmoid(value: float) -> float:
    return float(torch.sigmoid(torch.tensor(value)))
