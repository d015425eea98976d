"""Bytes of a bundle outside trained weights: vocabularies, crosses, target encodings, and the positions of rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from autofi.data.feature_builder import FeatureBuilder
from autofi.data.vocabulary import Vocabulary
from autofi.model.network import Network
from autofi.operators.base import Candidate, Operator

#: Bytes of the mean and the deviation of a target encoding's counts.
_LOG_COUNTS = 16


@dataclass(frozen=True)
class FittedCost:
    """The bytes of something fitted but not trained; they count as bytes of tables, not as parameters.

    Attributes:
        kind: "vocabulary", a value of a field per row; "cross", the row of a cross per row; "statistics", a count and
            clicks per row; "places", the row of a shared or gated table per row.
        bytes: Bytes in saved form; of all fields' vocabularies, which are one file, the share of this one's texts.
    """

    kind: str
    fields: tuple[str, ...]
    rows: int
    bytes: int


def fitted_bytes(network: Network, builder: FeatureBuilder) -> int:
    """Return the sum of `fitted_costs`."""
    return sum(cost.bytes for cost in fitted_costs(network, builder))


def fitted_costs(network: Network, builder: FeatureBuilder) -> tuple[FittedCost, ...]:
    """Return the fitted costs of a network and of the builder of exactly the features it reads."""
    return (*_vocabularies(builder), *_cells(builder, network.boosted), *_places(network, builder))


def _vocabularies(builder: FeatureBuilder) -> Iterator[FittedCost]:
    found = [
        (field.field.name, values)
        for field in builder.encoder.fields
        for values in (field.codes, field.tokens)
        if isinstance(values, Vocabulary)
    ]
    sizes = np.cumsum([0, *(values.values.nbytes + values.counts.nbytes for _, values in found)])
    ends = sizes * builder.encoder.vocabulary_bytes // max(int(sizes[-1]), 1)
    for (name, values), size in zip(found, np.diff(ends), strict=True):
        yield FittedCost("vocabulary", (name,), len(values.values), int(size))


def _cells(builder: FeatureBuilder, boosted: bool) -> Iterator[FittedCost]:
    names = builder.encoder.schema.names
    for pair, cross in zip(builder.crosses.pairs, builder.crosses.cells, strict=True):
        size = _bytes(cross.codes, cross.local_rows, cross.counts)
        yield FittedCost("cross", tuple(names[field] for field in pair), len(cross.codes), size)
    for column, cells in zip(builder.statistics.columns, builder.statistics.cells, strict=True):
        size = _bytes(cells.codes, cells.counts, cells.clicks) + _LOG_COUNTS
        yield FittedCost("statistics", tuple(names[field] for field in column), len(cells.codes), size)
    if boosted and builder.boosted is not None:
        # A bin of a number counts for its field.
        places = [*names, *builder.encoder.number_fields]
        read = builder.boosted.statistics
        for column, cells in zip(read.columns, read.cells, strict=True):
            size = _bytes(cells.codes, cells.counts, cells.clicks)
            yield FittedCost("statistics", tuple(places[place] for place in column), len(cells.codes), size)


def _places(network: Network, builder: FeatureBuilder) -> Iterator[FittedCost]:
    names = builder.encoder.schema.names
    for part in (*network.operators.values(), *network.streams.values()):
        assert isinstance(part, Candidate)
        found = part.row_places()
        if found is not None:
            slots = part.slots if isinstance(part, Operator) else ()
            fields = dict.fromkeys(names[field] for slot in slots for field in slot)
            yield FittedCost("places", tuple(fields), len(found), found.numel() * found.element_size())


def _bytes(*arrays: np.ndarray[Any, Any]) -> int:
    return sum(array.nbytes for array in arrays)


__all__ = ["FittedCost", "fitted_bytes", "fitted_costs"]
