"""What a network is fed: codes, positions, tokens, cross rows and target statistics of the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from autofi.data.arrays import release

Pair = tuple[int, int]
Column = tuple[int, ...]
Number = TypeVar("Number", np.int32, np.float32)


@dataclass(frozen=True)
class Features:
    """Columns of `N` rows, each kind in one array.

    ids         int32   [N, F]     code of every field (0 missing, 1 out of vocabulary)
    numbers     float32 [N, Q]     position of every field that reads as a number, NaN where missing
    bags        int32   [N, L]     by field name: token codes of a multi-valued field, -1 beyond its end
    crosses     int32   [N, P]     row of every pair in `pairs` (0 out of vocabulary)
    statistics  float32 [N, C, 2]  count and clicks of every column in `columns`, without the row's own
    boosted     float32 [N]        logit of boosted trees, NaN in training rows, whose labels the trees have seen
    """

    ids: npt.NDArray[np.int32]
    numbers: npt.NDArray[np.float32]
    bags: dict[str, npt.NDArray[np.int32]] = field(default_factory=dict)
    pairs: tuple[Pair, ...] = ()
    crosses: npt.NDArray[np.int32] | None = None
    columns: tuple[Column, ...] = ()
    statistics: npt.NDArray[np.float32] | None = None
    boosted: npt.NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def cross_columns(self, pairs: Sequence[Pair]) -> npt.NDArray[np.int32]:
        """The cross rows of `pairs`, int32 [N, len(pairs)], in that order."""
        assert self.crosses is not None
        return _take(self.crosses, [self.pairs.index(pair) for pair in pairs])

    def statistic_columns(self, columns: Sequence[Column]) -> npt.NDArray[np.float32]:
        """Counts and clicks of `columns`, float32 [N, len(columns), 2], in that order."""
        assert self.statistics is not None
        return _take(self.statistics, [self.columns.index(column) for column in columns])

    def rows(self, part: slice) -> Features:
        """The same columns of a slice of rows; nothing is copied."""
        return Features(
            ids=self.ids[part],
            numbers=self.numbers[part],
            bags={name: bag[part] for name, bag in self.bags.items()},
            pairs=self.pairs,
            crosses=None if self.crosses is None else self.crosses[part],
            columns=self.columns,
            statistics=None if self.statistics is None else self.statistics[part],
            boosted=None if self.boosted is None else self.boosted[part],
        )

    def arrays(self) -> list[npt.NDArray[Any] | None]:
        """Everything that has a row per row."""
        return [self.ids, self.numbers, *self.bags.values(), self.crosses, self.statistics, self.boosted]

    def release(self) -> None:
        """Let go of what was read of mapped arrays."""
        release(*self.arrays())


def _take(array: npt.NDArray[Number], chosen: list[int]) -> npt.NDArray[Number]:
    if chosen == list(range(array.shape[1])):
        return array
    return np.ascontiguousarray(array[:, chosen])
