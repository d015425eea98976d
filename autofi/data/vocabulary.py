"""Values and their integer codes: 0 missing, 1 out of vocabulary, 2.. by falling training count."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

MISSING = 0
OUT_OF_VOCABULARY = 1
FIRST_VALUE = 2

# Arrow builds its hash table anew in every call; below this share of the vocabulary a kept dict is quicker.
_FEW_VALUES = 1 / 64


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The values seen in training, in the order of their codes: value k has code k + 2."""

    values: pa.LargeStringArray
    counts: NDArray[np.int64]
    """Training count per code; the first is that of missing values, the second 0."""

    @property
    def cardinality(self) -> int:
        """How many codes there are, those of missing and out of vocabulary included."""
        return len(self.values) + FIRST_VALUE

    def codes(self, values: pa.Array) -> NDArray[np.int32]:
        """The code of each canonical string, plain or dictionary-encoded; null is missing."""
        if pa.types.is_dictionary(values.type):
            of_entry = np.append(self.codes(values.dictionary), np.int32(MISSING))
            of_row: NDArray[np.int32] = of_entry[_entries(values)]
            return of_row
        values = values.cast(pa.large_string())
        if len(values) < len(self.values) * _FEW_VALUES:
            known = self._code_of_value
            return np.array(
                [known.get(value, OUT_OF_VOCABULARY) for value in values.to_pylist()], dtype=np.int32
            )
        found = pc.index_in(values, value_set=self.values, skip_nulls=True)
        codes = (
            pc.fill_null(found, OUT_OF_VOCABULARY - FIRST_VALUE).to_numpy(zero_copy_only=False) + FIRST_VALUE
        )
        if values.null_count:
            codes[pc.is_null(values).to_numpy(zero_copy_only=False)] = MISSING
        result: NDArray[np.int32] = codes.astype(np.int32, copy=False)
        return result

    @cached_property
    def _code_of_value(self) -> dict[str | None, int]:
        codes: dict[str | None, int] = dict(
            zip(self.values.to_pylist(), range(FIRST_VALUE, self.cardinality), strict=True)
        )
        return codes | {None: MISSING}


class ValueCounter:
    """Counts canonical strings batch by batch; holds each distinct value about twice."""

    def __init__(self) -> None:
        self._merged = _count_table(pa.array([], pa.large_string()), pa.array([], pa.int64()))
        self._pending: list[pa.Table] = []
        self._pending_rows = 0
        self._missing = 0

    def add(self, values: pa.Array) -> None:
        """Count one batch, plain or dictionary-encoded; null is missing."""
        if not pa.types.is_dictionary(values.type):
            values = values.dictionary_encode()
        texts = values.dictionary.cast(pa.large_string())
        counts = np.bincount(_entries(values), minlength=len(texts) + 1)
        self._missing += int(counts[-1])
        seen = counts[:-1] > 0
        if texts.null_count:
            null = pc.is_null(texts).to_numpy(zero_copy_only=False)
            self._missing += int(counts[:-1][null].sum())
            seen &= ~null
        places = np.flatnonzero(seen)
        self._pending.append(_count_table(texts.take(pa.array(places)), pa.array(counts[places])))
        self._pending_rows += len(places)
        if self._pending_rows > max(1_000_000, self._merged.num_rows):
            self._merge()

    def add_missing(self, rows: int) -> None:
        """Count rows that are missing besides those that `add` is given as null."""
        self._missing += rows

    def vocabulary(self) -> Vocabulary:
        """The values counted so far, by falling count and, among equals, by rising value."""
        self._merge()
        order = pc.sort_indices(self._merged, sort_keys=[("count", "descending"), ("value", "ascending")])
        ordered = self._merged.take(order)
        values = ordered.column("value").combine_chunks()
        counts = ordered.column("count").to_numpy()
        return Vocabulary(values, np.concatenate(([self._missing, 0], counts)).astype(np.int64))

    def _merge(self) -> None:
        together = pa.concat_tables([self._merged, *self._pending])
        self._merged = (
            together.group_by("value")
            .aggregate([("count", "sum")])
            .rename_columns({"value": "value", "count_sum": "count"})
            .select(["value", "count"])
        )
        self._pending, self._pending_rows = [], 0


def _entries(values: pa.DictionaryArray) -> NDArray[np.int64]:
    """The dictionary entry of each row; that of a null is one past the last."""
    beyond = len(values.dictionary)
    indices = pc.fill_null(pc.cast(values.indices, pa.int64()), beyond)
    entries: NDArray[np.int64] = indices.to_numpy(zero_copy_only=False)
    return entries


def _count_table(values: pa.Array, counts: pa.Array) -> pa.Table:
    return pa.table({"value": values, "count": counts})
