"""Rows that do not fit in memory: read one window at a time, with the next one read during training."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from torch import Tensor

from autofi.data.features import Features
from autofi.training.row_source import Period, Rows, cut, whole_periods

#: Blocks of consecutive rows per window: enough that neighboring rows of a sorted table are trained on among rows from
#: elsewhere.
BLOCKS = 32

Item = TypeVar("Item")
Found = TypeVar("Found")


@dataclass(frozen=True)
class WindowedRows:
    """Rows whose features are memory maps; labels (and weights) are in memory.

    Attributes:
        select: A function from the features of some rows to the network's inputs.
        window: Rows that are read at once; twice as many are held.
    """

    features: Features
    select: Callable[[Features], Mapping[str, Tensor]]
    labels: Tensor
    weights: Tensor | None
    window: int

    def __len__(self) -> int:
        return len(self.labels)

    def part(self, rows: slice) -> WindowedRows:
        return replace(
            self,
            features=self.features.rows(rows),
            labels=self.labels[rows],
            weights=None if self.weights is None else self.weights[rows],
        )

    def take(self, index: Tensor) -> Rows:
        rows, order = self._read(index)
        return rows.take(order)

    def shuffled(
        self, generator: torch.Generator, *, index: Tensor | None = None, periods: int = 1
    ) -> list[Period]:
        """Return blocks of consecutive rows in random order, several per window, whose rows are in random order."""
        rows = torch.arange(len(self)) if index is None else index
        if len(rows) <= self.window:
            return whole_periods(len(self), generator, index, periods)
        # Windows are even, and do not cross periods: none is read twice or left with a few rows.
        windows = -(-len(rows) // (self.window * periods)) * periods
        blocks = rows.tensor_split(min(windows * BLOCKS, len(rows)))
        found: list[Tensor] = []
        for chosen in torch.randperm(len(blocks), generator=generator).tensor_split(windows):
            window = torch.cat([blocks[block] for block in chosen.tolist()])
            found.append(window[torch.randperm(len(window), generator=generator)])
        each = windows // periods
        return [found[start : start + each] for start in range(0, windows, each)]

    def batches(self, period: Period, batch_size: int) -> Iterator[Rows]:
        for rows, order in read_ahead(self._read, period):
            for chosen in cut(order, batch_size):
                yield rows.take(chosen)
            del rows  # before the window after the next one is read

    def pieces(self, most: int, index: Tensor | None = None) -> Iterator[Rows]:
        index = torch.arange(len(self)) if index is None else index
        windows = index.split(self.window) if len(index) else ()
        for rows, order in read_ahead(self._read, windows):
            yield from map(rows.take, order.split(most))
            del rows

    def _read(self, index: Tensor) -> tuple[Rows, Tensor]:
        """Return the rows of an index in the order of the file, and the position of each of the index among them."""
        wanted, places = index.sort()
        order = torch.empty_like(places)
        order[places] = torch.arange(len(places))
        selected: dict[str, Tensor] = {}
        done = 0
        # About a block at a time, so that the operators' intermediate selections are small next to the window.
        ends = (wanted // (self.window // BLOCKS + 1)).diff().nonzero().flatten() + 1
        for part in wanted.tensor_split(ends):
            first, last = (int(part[0]), int(part[-1]) + 1) if len(part) else (0, 0)
            for name, tensor in self.select(self.features.rows(slice(first, last))).items():
                if name not in selected:
                    selected[name] = tensor.new_empty(len(wanted), *tensor.shape[1:])
                selected[name][done : done + len(part)] = tensor.index_select(0, part - first)
            done += len(part)
        self.features.release()
        weights = None if self.weights is None else self.weights.index_select(0, wanted)
        return Rows(selected, self.labels.index_select(0, wanted), weights), order


def read_ahead(read: Callable[[Item], Found], items: Iterable[Item]) -> Iterator[Found]:
    """Yield `map(read, items)`, with the next item read in another thread while the last one is used."""
    waiting = iter(items)
    with ThreadPoolExecutor(1) as reader:
        coming = [reader.submit(read, item) for item in itertools.islice(waiting, 1)]
        while coming:
            found = coming.pop().result()
            coming = [reader.submit(read, item) for item in itertools.islice(waiting, 1)]
            yield found
            del found
