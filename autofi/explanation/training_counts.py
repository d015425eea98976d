"""Counts of training rows with the values and crosses of some rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from autofi.data.encoded_rows import EncodedRows
from autofi.data.encoder import FieldEncoder
from autofi.data.feature_builder import FeatureBuilder
from autofi.data.features import Column, Features
from autofi.data.number_bins import with_bins
from autofi.data.schema import FieldKind
from autofi.data.vocabulary import MISSING, OUT_OF_VOCABULARY
from autofi.explanation.explanation import Form, Status
from autofi.model.network import Network
from autofi.operators.base import Operator
from autofi.operators.explains import Knows


@dataclass(frozen=True, eq=False)
class Forms:
    """The forms of every slot, and the rows that hit an entry of their own.

    Attributes:
        hits: By slot and form, bool `[N]`; None for a form without a lookup table.
    """

    hits: Mapping[Column, Mapping[str, NDArray[np.bool_] | None]]

    @classmethod
    def of(cls, network: Network, selected: Mapping[str, Tensor]) -> Forms:
        """Return the forms of a network, as its operators report them."""
        found: dict[Column, dict[str, NDArray[np.bool_] | None]] = {}
        for operator in network.operators.values():
            assert isinstance(operator, Operator)
            known = operator.known(selected[operator.name]) if isinstance(operator, Knows) else None
            for place, slot in enumerate(operator.slots):
                hits = None if known is None else known[:, place].numpy()
                found.setdefault(slot, {})[operator.name] = hits
        return cls(found)

    def at(self, slot: Column, row: int) -> tuple[Form, ...]:
        """Return the forms of a slot, each with its hit in one row."""
        return tuple(
            Form(name, None if hits is None else bool(hits[row]))
            for name, hits in self.hits.get(slot, {}).items()
        )


class Seen:
    """Counts and click rates of the crosses of some rows, as far as the model keeps them."""

    def __init__(self, builder: FeatureBuilder, features: Features) -> None:
        self._crosses = {
            pair: (cells.counts, place)
            for place, (pair, cells) in enumerate(
                zip(builder.crosses.pairs, builder.crosses.cells, strict=True)
            )
        }
        self._columns: dict[Column, NDArray[np.float32]] = {}
        trees = builder.boosted
        if trees is not None:
            ids = with_bins(features.ids, features.numbers, trees.statistics.cardinalities)
            values = trees.statistics.transform(ids)
            self._columns |= {
                column: values[:, place] for place, column in enumerate(trees.statistics.columns)
            }
        if features.statistics is not None:
            self._columns |= {
                column: features.statistics[:, place] for place, column in enumerate(features.columns)
            }
        self._features = features
        self._counts = builder.encoder.counts

    def count(self, slot: Column, row: int) -> int | None:
        """Return the training rows with the row's value or cross; None for a cross that was too rare to be kept."""
        if len(slot) == 1:
            return int(self._counts[slot[0]][self._features.ids[row, slot[0]]])
        if slot in self._columns:
            return int(self._columns[slot][row, 0])
        if len(slot) > 2:
            return None
        pair = (slot[0], slot[1])
        if pair not in self._crosses or self._features.crosses is None:
            return None
        counts, place = self._crosses[pair]
        found = int(self._features.crosses[row, place])
        return int(counts[found]) if found else None

    def rate(self, slot: Column, row: int) -> float | None:
        """Return the click rate of these rows; None where the model keeps no clicks of the slot, or there is no row."""
        if slot not in self._columns:
            return None
        count, clicks = self._columns[slot][row]
        return float(clicks) / float(count) if count else None


def status_of(field: FieldEncoder, place: int, kept: int, rows: EncodedRows, row: int) -> Status:
    """Return whether training knew a field's value; codes from `kept` on are too rare for entries of their own."""
    if field.field.kind is FieldKind.MULTI_VALUED:
        tokens = rows.bags[field.field.name][row]
        present = tokens[tokens >= 0]
        if (present == MISSING).all():
            return "missing"
        unseen = present == OUT_OF_VOCABULARY
        return "unseen" if unseen.all() else "partly" if unseen.any() else "known"
    code = int(rows.ids[row, place])
    if code == MISSING:
        return "missing"
    if code == OUT_OF_VOCABULARY:
        return "unseen"
    return "known" if code < kept else "rare"
