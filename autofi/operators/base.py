"""The contract of an operator: what it is built for, what it reads, what it gives, what it costs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from autofi.core.validated import Count
from autofi.data.features import Column, Features
from autofi.operators.feature_tensors import FeatureTensors

#: Tables with more numbers than this get sparse gradients and are updated by row, which is faster at every size
#: (`python -m benchmarks.optimizers`). Below it a pass over the whole table costs little and owes no row anything.
LARGE_TABLE = 200_000


@dataclass(frozen=True)
class Shapes:
    """The sizes of an encoded table that operators are built from; nothing else of the data reaches them.

    cardinalities   codes of every field, missing and out of vocabulary among them
    kept            codes of every field that are frequent enough; those from there on are out of vocabulary
    prior           click rate of the training rows
    number_fields   field of every number column
    number_bins     bins of every number column
    bags            by field: (name, token codes)
    cross_rows      by pair: rows of its cross, out of vocabulary among them
    log_counts      by statistics column: mean and deviation of log(1 + count) over the training rows
    counts          by field: training rows of every code, those of the encoder itself; () where they are not known
    """

    names: tuple[str, ...]
    cardinalities: tuple[int, ...]
    kept: tuple[int, ...]
    prior: float
    number_fields: tuple[int, ...] = ()
    number_bins: tuple[int, ...] = ()
    bags: dict[int, tuple[str, int]] = field(default_factory=dict)
    cross_rows: dict[tuple[int, int], int] = field(default_factory=dict)
    log_counts: dict[Column, tuple[float, float]] = field(default_factory=dict)
    counts: tuple[NDArray[np.int64], ...] = field(default=(), repr=False, compare=False)


@dataclass(frozen=True)
class Sizes:
    """Widths an architecture chooses for its operators, and the table that unified embeddings share.

    unified_rows     rows of that table, whatever number of values there is
    unified_chunks   rows of it that make up a value's vector; they divide `embedding_dim`
    """

    embedding_dim: Count = 8
    cross_dim: Count = 8
    factor_dim: Count = 8
    unified_rows: Count = 10_000
    unified_chunks: Count = 2


@dataclass(frozen=True)
class TableBlock:
    """Rows of a lookup table that belong together.

    fields  names: one field, the two of a pair, or all that share the rows
    rows    how many there are
    full    how many there were before gates were closed
    """

    fields: tuple[str, ...]
    rows: int
    full: int


class Candidate(nn.Module, ABC):
    """What a search space can name: an operator of a field or a pair, or a stream over all fields."""

    name: ClassVar[str]
    #: Other names that a space may give it by, such as that of its paper; subclasses do not inherit them.
    aliases: ClassVar[tuple[str, ...]] = ()
    #: What it is a form of: "memorize", "factorize", "field" or "stream".
    choice: ClassVar[str]
    summary: ClassVar[str]
    formula: ClassVar[str]
    source: ClassVar[str]
    #: What is not as published, in words; empty where nothing is, or where nothing was published.
    differs: ClassVar[str] = ""
    #: Whether rows of its tables are multiplied with each other: they take `factor_l2` for the L2 of embeddings.
    multiplied: ClassVar[bool] = False

    def tables(self) -> tuple[nn.Parameter, ...]:
        """The parameters that are lookup tables: embedding L2 applies to them, and to nothing else."""
        return ()

    def row_places(self) -> Tensor | None:
        """Where values have their rows, if the tables do not lie in the order of the codes: of the bytes of tables."""
        return None

    def table_blocks(self) -> tuple[TableBlock, ...]:
        """Whose the rows of every table are, in the order of the rows; all tables are divided alike."""
        return ()


class Operator(Candidate):
    """One candidate for some slots (fields or pairs), all computed at once.

    An operator is built for a tuple of *slots*, each a tuple of field indices: `(f,)` or `(i, j)`. `select`
    takes what it reads out of the features of all rows, once, or of a window of them; `forward` gets rows of that
    selection and returns one vector per slot. Vectors of different widths lie end to end, in the order of the slots.

    Rows never see each other. The same generator gives the same weights.
    """

    #: 1 for operators of a field, 2 for operators of a pair.
    arity: ClassVar[int]
    #: The widths of `Sizes` that change what is built.
    sizes_read: ClassVar[tuple[str, ...]] = ()
    #: Whether it gives a field's vector, `embedding_dim` wide, which streams read.
    vector: ClassVar[bool] = False
    #: Whether it selects the codes of values, so that a stream may have a table of its own for them.
    coded: ClassVar[bool] = False

    def __init__(self, slots: Sequence[Column], shapes: Shapes, sizes: Sizes) -> None:
        super().__init__()
        self.check_sizes(sizes)
        self.slots = tuple(slots)
        self.shapes = shapes
        self.sizes = sizes

    @classmethod
    @abstractmethod
    def applies(cls, slot: Column, shapes: Shapes) -> bool:
        """Whether the slot has what this operator reads (a number column, a bag, a cross)."""

    @classmethod
    def check_sizes(cls, sizes: Sizes) -> None:
        """Raise SearchSpaceError for sizes that it cannot be built with."""

    @classmethod
    @abstractmethod
    def width(cls, slot: Column, shapes: Shapes, sizes: Sizes) -> int:
        """Columns this operator gives for `slot`."""

    @classmethod
    @abstractmethod
    def table_rows(cls, slots: Sequence[Column], shapes: Shapes, sizes: Sizes) -> int:
        """Rows of the lookup tables it holds for `slots`, over all of them."""

    @classmethod
    @abstractmethod
    def num_parameters(cls, slots: Sequence[Column], shapes: Shapes, sizes: Sizes) -> int:
        """Trained numbers for `slots`; equal to those of the built module."""

    def select(self, features: Features) -> Tensor:
        """The tensor `[N, ...]` that `forward` reads, for all rows of `features`."""
        return self.read(FeatureTensors.of(features))

    @abstractmethod
    def read(self, features: FeatureTensors) -> Tensor:
        """`select` in torch's operations alone, so that an exported graph can do it; `[N, ...]`."""

    def drawn(self, selected: Tensor) -> Tensor:
        """What `forward` is given of rows of the selection: while training, some values may be taken for unseen.

        Apart from `forward`, because streams look the same codes up in tables of their own.
        """
        return selected

    @abstractmethod
    def forward(self, selected: Tensor) -> Tensor:
        """Rows of the selection → `[B, sum of widths]`."""

    @abstractmethod
    def subset(self, positions: Sequence[int]) -> Self:
        """A new operator for the slots at these positions, with copies of exactly their weights."""

    def widths(self) -> tuple[int, ...]:
        """Columns of every slot, in order."""
        return tuple(self.width(slot, self.shapes, self.sizes) for slot in self.slots)


def blocks_of(names: Sequence[Sequence[str]], rows: Sequence[int]) -> tuple[TableBlock, ...]:
    """Blocks of so many rows, none of them behind a gate."""
    return tuple(TableBlock(tuple(fields), count, count) for fields, count in zip(names, rows, strict=True))


def updated_by_row(table: Tensor) -> bool:
    """Whether a lookup table is too large for a pass over all of it at every step."""
    return table.numel() > LARGE_TABLE


def look_up(table: Tensor, rows: Tensor) -> Tensor:
    """Rows of a table, `[...] → [..., D]`; the gradient of a large table is sparse."""
    announce(table, rows)
    return nn.functional.embedding(rows, table, sparse=updated_by_row(table))


def announce(table: Tensor, rows: Tensor) -> None:
    """Tell an optimizer that puts steps off (`training.row_adam`) which rows are about to be read and trained."""
    before_read = getattr(table, "before_read", None)
    if before_read is not None and torch.is_grad_enabled():
        before_read(rows)


def table_offsets(rows: Sequence[int]) -> Tensor:
    """Where each slot's rows begin in one shared table, int32 `[len(rows)]`."""
    return torch.tensor([0, *rows[:-1]], dtype=torch.int64).cumsum(0).to(torch.int32)


def gather_rows(table: Tensor, rows: Sequence[int], positions: Sequence[int]) -> Tensor:
    """The blocks of a shared table that belong to the slots at `positions`, copied end to end."""
    blocks = table.detach().split(list(rows))
    return torch.cat([blocks[position] for position in positions])
