"""Sources of rows for training and scoring: their interface, and rows in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

#: The rows between two evaluations, in training order: windows that are read as a whole, with one row number per row.
Period = Sequence[Tensor]


class RowSource(Protocol):
    """Rows with labels (and weights), wherever the operators' inputs are kept."""

    @property
    def labels(self) -> Tensor: ...
    @property
    def weights(self) -> Tensor | None: ...

    def __len__(self) -> int: ...

    def part(self, rows: slice) -> RowSource:
        """Return a view of a slice of the rows."""

    def take(self, index: Tensor) -> Rows:
        """Return copies of some rows, in memory."""

    def shuffled(
        self, generator: torch.Generator, *, index: Tensor | None = None, periods: int = 1
    ) -> list[Period]:
        """Return an epoch over all rows, or those of `index`: each once, at random, cut evenly into periods."""

    def batches(self, period: Period, batch_size: int) -> Iterator[Rows]:
        """Yield the rows of a period in batches; see `cut`."""

    def pieces(self, most: int, index: Tensor | None = None) -> Iterator[Rows]:
        """Yield all rows, or those of `index`, in their order, `most` at a time."""


@dataclass(frozen=True)
class Rows:
    """Selected features of some rows with their labels (and weights), on one device."""

    selected: Mapping[str, Tensor]
    labels: Tensor
    weights: Tensor | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def each(self, change: Callable[[Tensor], Tensor]) -> Rows:
        """Return the rows with `change` applied to every tensor."""
        return Rows(
            {name: change(tensor) for name, tensor in self.selected.items()},
            change(self.labels),
            None if self.weights is None else change(self.weights),
        )

    def tensors(self) -> list[Tensor]:
        """Return all tensors of the rows."""
        found = [*self.selected.values(), self.labels]
        return found if self.weights is None else [*found, self.weights]

    def part(self, rows: slice) -> Rows:
        return self.each(lambda tensor: tensor[rows])

    def take(self, index: Tensor) -> Rows:
        index = index.to(self.labels.device)
        return self.each(lambda tensor: tensor.index_select(0, index))

    def to(self, device: torch.device) -> Rows:
        """Return the rows on another device."""
        return self.each(lambda tensor: tensor.to(device))

    def shuffled(
        self, generator: torch.Generator, *, index: Tensor | None = None, periods: int = 1
    ) -> list[Period]:
        return whole_periods(len(self), generator, index, periods)

    def batches(self, period: Period, batch_size: int) -> Iterator[Rows]:
        for window in period:
            for chosen in cut(window.to(self.labels.device), batch_size):
                yield self.take(chosen)

    def pieces(self, most: int, index: Tensor | None = None) -> Iterator[Rows]:
        if index is not None:
            yield from map(self.take, index.split(most))
            return
        for start in range(0, len(self), most):
            yield self.part(slice(start, start + most))


def whole_periods(rows: int, generator: torch.Generator, index: Tensor | None, periods: int) -> list[Period]:
    """Return one permutation of all rows, cut evenly."""
    order = torch.randperm(rows if index is None else len(index), generator=generator)
    return [(part,) for part in (order if index is None else index[order]).tensor_split(periods)]


def cut(index: Tensor, batch_size: int) -> Sequence[Tensor]:
    """Return the index cut into the fewest batches of at most `batch_size` rows, equally long within one row.

    A short last batch would give its rows more weight than the others', and one of a single row has no variance for
    batch normalization.
    """
    return index.tensor_split(-(-len(index) // batch_size)) if len(index) else ()


def steps_in(period: Period, batch_size: int) -> int:
    """Return the number of batches of a period."""
    return sum(-(-len(window) // batch_size) for window in period)


def endless(rows: RowSource, index: Tensor, batch_size: int, generator: torch.Generator) -> Iterator[Rows]:
    """Yield batches of the rows of `index`, epoch after epoch."""
    while True:
        (period,) = rows.shuffled(generator, index=index)
        yield from rows.batches(period, batch_size)
