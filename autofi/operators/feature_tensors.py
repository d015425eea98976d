"""Features as tensors, the only form in which operators read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from autofi.data.features import Column, Features, Pair
from autofi.data.vocabulary import OUT_OF_VOCABULARY


@dataclass(frozen=True, eq=False)
class FeatureTensors:
    """The columns of `Features` with the same shapes and meanings, sharing memory with the original arrays."""

    ids: Tensor
    numbers: Tensor
    bags: Mapping[str, Tensor] = field(default_factory=dict)
    pairs: tuple[Pair, ...] = ()
    crosses: Tensor | None = None
    columns: tuple[Column, ...] = ()
    statistics: Tensor | None = None
    boosted: Tensor | None = None

    @classmethod
    def of(cls, features: Features) -> FeatureTensors:
        """Return the same columns as tensors, without a copy."""
        return cls(
            ids=torch.from_numpy(features.ids),
            numbers=torch.from_numpy(features.numbers),
            bags={name: torch.from_numpy(bag) for name, bag in features.bags.items()},
            pairs=features.pairs,
            crosses=_tensor(features.crosses),
            columns=features.columns,
            statistics=_tensor(features.statistics),
            boosted=_tensor(features.boosted),
        )

    def codes(self, fields: Sequence[int], kept: Sequence[int]) -> Tensor:
        """Return codes of `fields`, `[N, len(fields)]`; those from a field's `kept` on are out of vocabulary."""
        codes = _take(self.ids, fields)
        return torch.where(codes < torch.tensor(kept, dtype=codes.dtype), codes, OUT_OF_VOCABULARY)

    def positions(self, columns: Sequence[int]) -> Tensor:
        """Return columns of `numbers`, float32 `[N, len(columns)]`; NaN is missing."""
        return self.numbers.index_select(1, torch.tensor(columns, dtype=torch.int64))

    def bag(self, name: str) -> Tensor:
        """Return token codes of a multi-valued field, `[N, L]`; -1 beyond a list's end."""
        return self.bags[name]

    def cross_rows(self, pairs: Sequence[Pair]) -> Tensor:
        """Return rows of the crosses of `pairs`, `[N, len(pairs)]`, in that order."""
        assert self.crosses is not None
        return _take(self.crosses, [self.pairs.index(pair) for pair in pairs])

    def counts_and_clicks(self, columns: Sequence[Column]) -> Tensor:
        """Return counts and clicks of the cells of `columns`, float32 `[N, len(columns), 2]`, in that order."""
        assert self.statistics is not None
        return _take(self.statistics, [self.columns.index(column) for column in columns])


def _take(tensor: Tensor, chosen: Sequence[int]) -> Tensor:
    if list(chosen) == list(range(tensor.shape[1])):
        return tensor
    return tensor.index_select(1, torch.tensor(chosen, dtype=torch.int64))


def _tensor(array: npt.NDArray[np.int32] | npt.NDArray[np.float32] | None) -> Tensor | None:
    return None if array is None else torch.from_numpy(array)
