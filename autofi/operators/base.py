"""The contract of an operator: the slots it applies to, the data it reads, its output and its size."""

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
#: (`python -m benchmarks.optimizers`). A smaller table is cheap to update as a whole, with no step deferred.
LARGE_TABLE = 200_000


@dataclass(frozen=True)
class Shapes:
    """The sizes of an encoded table that operators are built from; they depend on nothing else of the data.

    Attributes:
        cardinalities: Codes of every field, including missing and out of vocabulary.
        kept: Codes of every field that are frequent enough; those from there on are out of vocabulary.
        prior: Click rate of the training rows.
        number_fields: Field of every number column.
        number_bins: Bins of every number column.
        bags: By field: (name, token codes).
        cross_rows: By pair: rows of its cross, including out of vocabulary.
        log_counts: By target encoding: mean and deviation of log(1 + count) over the training rows.
        counts: By field: training rows of every code, as the encoder has them; () where they are not known.
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
    """The widths an architecture chooses for its operators, and the size of the table of unified embeddings.

    Attributes:
        unified_rows: Rows of that table, whatever the number of values.
        unified_chunks: Rows of it that make up a value's vector; they divide `embedding_dim`.
    """

    embedding_dim: Count = 8
    cross_dim: Count = 8
    factor_dim: Count = 8
    unified_rows: Count = 10_000
    unified_chunks: Count = 2


@dataclass(frozen=True)
class TableBlock:
    """Rows of a lookup table that belong together.

    Attributes:
        fields: Names of one field, of the two of a pair, or of all that share the rows.
        rows: Number of rows.
        full: Number of rows before gates were closed.
    """

    fields: tuple[str, ...]
    rows: int
    full: int


class Candidate(nn.Module, ABC):
    """A candidate of a search space: an operator of a field or a pair, or an interaction stream over all fields."""

    name: ClassVar[str]
    #: Other names that a space may give it by, such as that of its paper; subclasses do not inherit them.
    aliases: ClassVar[tuple[str, ...]] = ()
    #: The choice it is a form of: "memorize", "factorize", "field" or "stream".
    choice: ClassVar[str]
    summary: ClassVar[str]
    formula: ClassVar[str]
    source: ClassVar[str]
    #: Departures from the publication, in words; empty if there are none, or if nothing was published.
    differs: ClassVar[str] = ""
    #: True if rows of its tables are multiplied with each other: `factor_l2` is then the L2 of its embeddings.
    multiplied: ClassVar[bool] = False

    def tables(self) -> tuple[nn.Parameter, ...]:
        """Return the parameters that are lookup tables; embedding L2 applies to them only."""
        return ()

    def row_places(self) -> Tensor | None:
        """Return the rows of values if the tables are not in the order of the codes; they count as bytes of tables."""
        return None

    def table_blocks(self) -> tuple[TableBlock, ...]:
        """Return the owners of the rows of every table, in the order of the rows; all tables are divided alike."""
        return ()


class Operator(Candidate):
    """One candidate for several slots (fields or pairs), all computed at once.

    An operator is built for a tuple of *slots*, each a tuple of field indices: `(f,)` or `(i, j)`. `select` takes its
    input from the features of all rows, once, or of a window of them; `forward` gets rows of that selection and returns
    one vector per slot. Vectors of different widths are concatenated in the order of the slots.

    A row's output does not depend on other rows. The same generator gives the same weights.
    """

    #: 1 for operators of a field, 2 for operators of a pair.
    arity: ClassVar[int]
    #: The widths of `Sizes` that change what is built.
    sizes_read: ClassVar[tuple[str, ...]] = ()
    #: True if it gives a field's vector, `embedding_dim` wide, which streams read.
    vector: ClassVar[bool] = False
    #: True if it selects the codes of values, so that a stream may have a table of its own for them.
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
        """Return True if the slot has the input of this operator (a number column, a bag, a cross)."""

    @classmethod
    def check_sizes(cls, sizes: Sizes) -> None:
        """Check that the operator can be built with these sizes.

        Raises:
            SearchSpaceError: It cannot.
        """

    @classmethod
    @abstractmethod
    def width(cls, slot: Column, shapes: Shapes, sizes: Sizes) -> int:
        """Return the number of columns this operator gives for `slot`."""

    @classmethod
    @abstractmethod
    def table_rows(cls, slots: Sequence[Column], shapes: Shapes, sizes: Sizes) -> int:
        """Return the number of rows of the lookup tables over all `slots`."""

    @classmethod
    @abstractmethod
    def num_parameters(cls, slots: Sequence[Column], shapes: Shapes, sizes: Sizes) -> int:
        """Return the number of parameters for `slots`; equal to that of the built module."""

    def select(self, features: Features) -> Tensor:
        """Return the tensor `[N, ...]` that `forward` reads, for all rows of `features`."""
        return self.read(FeatureTensors.of(features))

    @abstractmethod
    def read(self, features: FeatureTensors) -> Tensor:
        """Return the tensor of `select`, `[N, ...]`, by torch operations only, for exported graphs."""

    def drawn(self, selected: Tensor) -> Tensor:
        """Return rows of the selection for `forward`; in training, some values may be replaced by unseen.

        It is separate from `forward` because streams look the same codes up in tables of their own.
        """
        return selected

    @abstractmethod
    def forward(self, selected: Tensor) -> Tensor:
        """Map rows of the selection to `[B, sum of widths]`."""

    @abstractmethod
    def subset(self, positions: Sequence[int]) -> Self:
        """Return a new operator for the slots at these positions, with copies of exactly their weights."""

    def widths(self) -> tuple[int, ...]:
        """Return the number of columns of every slot, in order."""
        return tuple(self.width(slot, self.shapes, self.sizes) for slot in self.slots)


def blocks_of(names: Sequence[Sequence[str]], rows: Sequence[int]) -> tuple[TableBlock, ...]:
    """Return blocks of these numbers of rows, none of them behind a gate."""
    return tuple(TableBlock(tuple(fields), count, count) for fields, count in zip(names, rows, strict=True))


def updated_by_row(table: Tensor) -> bool:
    """Return True if a lookup table is too large to pass over all of it at every step."""
    return table.numel() > LARGE_TABLE


def look_up(table: Tensor, rows: Tensor) -> Tensor:
    """Return rows of a table, `[...] → [..., D]`; the gradient of a large table is sparse."""
    announce(table, rows)
    return nn.functional.embedding(rows, table, sparse=updated_by_row(table))


def announce(table: Tensor, rows: Tensor) -> None:
    """Tell an optimizer with deferred steps (`training.sparse_adam`) which rows are about to be read and trained."""
    before_read = getattr(table, "before_read", None)
    if before_read is not None and torch.is_grad_enabled():
        before_read(rows)


def table_offsets(rows: Sequence[int]) -> Tensor:
    """Return the first row of each slot in one shared table, int32 `[len(rows)]`."""
    return torch.tensor([0, *rows[:-1]], dtype=torch.int64).cumsum(0).to(torch.int32)


def gather_rows(table: Tensor, rows: Sequence[int], positions: Sequence[int]) -> Tensor:
    """Return copies of the blocks of a shared table that belong to the slots at `positions`, concatenated."""
    blocks = table.detach().split(list(rows))
    return torch.cat([blocks[position] for position in positions])
