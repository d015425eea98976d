"""What a network is fed: codes, positions, tokens, cross rows and target statistics of the same rows."""

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
