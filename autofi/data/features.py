"""The inputs of a network: codes, positions, tokens, rows of crosses and target encodings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from autofi.core.memmap import release

Pair = tuple[int, int]
Column = tuple[int, ...]


@dataclass(frozen=True)
class Features:
    """The features of N rows, one array for each kind.

    Attributes:
        ids: Code of every field, int32 `[N, F]` (0 missing, 1 out of vocabulary).
        numbers: Position of every field that reads as a number, float32 `[N, Q]`; NaN is missing.
        bags: Token codes by multi-valued field, int32 `[N, L]`; -1 is padding.
        pairs: Pairs of fields of `crosses`.
        crosses: Row of every pair in its table, int32 `[N, P]` (0 out of vocabulary).
        columns: Fields, or pairs of fields, of `statistics`.
        statistics: Target encodings: count and clicks per column, float32 `[N, C, 2]`, without the row's own label.
        boosted: Logit of boosted trees, float32 `[N]`; NaN in training rows, whose labels the trees have seen.
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

    def rows(self, part: slice) -> Features:
        """Return the features of a slice of rows; nothing is copied."""
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
        """Return all arrays of N rows."""
        return [self.ids, self.numbers, *self.bags.values(), self.crosses, self.statistics, self.boosted]

    def release(self) -> None:
        """Release the pages of mapped arrays that have been read."""
        release(*self.arrays())
