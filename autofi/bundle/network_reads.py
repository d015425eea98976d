"""The features that a network reads; nothing else becomes part of a graph."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from autofi.data.feature_builder import FeatureBuilder
from autofi.data.features import Column, Features, Pair
from autofi.model.network import Network
from autofi.operators.feature_tensors import FeatureTensors


@dataclass
class Reads:
    """The features that a network reads, by kind.

    Attributes:
        codes: By field, the first code from which on all codes are equal to the network.
        numbers: Columns of `Features.numbers`.
        bags: Names of multi-valued fields.
        pairs: Pairs whose crosses are built.
        columns: Columns of target encodings.
        boosted: Columns of the target encodings of boosted trees.
    """

    codes: dict[int, int] = field(default_factory=dict)
    numbers: set[int] = field(default_factory=set)
    bags: set[str] = field(default_factory=set)
    pairs: tuple[Pair, ...] = ()
    columns: tuple[Column, ...] = ()
    boosted: tuple[Column, ...] = ()

    def code_limit(self, place: int, cardinality: int) -> int:
        """Return the number of codes of a field that must be distinguished.

        All of them where crosses are built from them, 0 where the field is not read.
        """
        whole = any(place in cells for cells in (*self.pairs, *self.columns, *self.boosted))
        return cardinality if whole else min(self.codes.get(place, 0), cardinality)


def reads_of(network: Network, builder: FeatureBuilder) -> Reads:
    """Return the features that the network reads; it selects from rows that record each access."""
    reads = Reads(pairs=builder.crosses.pairs, columns=builder.statistics.columns)
    tensors = FeatureTensors.of(example_features(builder))
    network.read(_Noted(**vars(tensors), reads=reads))
    if builder.boosted is not None:
        reads.numbers.update(range(len(builder.encoder.number_fields)))
        reads.boosted = builder.boosted.statistics.columns
    return reads


def example_features(builder: FeatureBuilder) -> Features:
    """Return three rows of missing values; from 0 or 1 rows an exporter would take the number for a constant."""
    encoder, rows = builder.encoder, 3
    return Features(
        ids=np.zeros((rows, len(encoder.fields)), dtype=np.int32),
        numbers=np.full((rows, len(encoder.number_fields)), np.nan, dtype=np.float32),
        bags={name: np.zeros((rows, width), dtype=np.int32) for name, width in encoder.bag_widths.items()},
        pairs=builder.crosses.pairs,
        crosses=np.zeros((rows, len(builder.crosses.pairs)), dtype=np.int32),
        columns=builder.statistics.columns,
        statistics=np.zeros((rows, len(builder.statistics.columns), 2), dtype=np.float32),
        boosted=None if builder.boosted is None else np.zeros(rows, dtype=np.float32),
    )


@dataclass(frozen=True, eq=False)
class _Noted(FeatureTensors):
    reads: Reads = field(default_factory=Reads)

    def codes(self, fields: Sequence[int], kept: Sequence[int]) -> Tensor:
        _highest(self.reads.codes, zip(fields, kept, strict=True))
        return super().codes(fields, kept)

    def positions(self, columns: Sequence[int]) -> Tensor:
        self.reads.numbers.update(columns)
        return super().positions(columns)

    def bag(self, name: str) -> Tensor:
        self.reads.bags.add(name)
        return super().bag(name)


def _highest(known: dict[int, int], found: Iterable[tuple[int, int]]) -> None:
    for place, limit in found:
        known[place] = max(known.get(place, 0), limit)
