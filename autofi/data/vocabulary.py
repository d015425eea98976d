"""Vocabularies: integer codes of values, 0 missing, 1 out of vocabulary, 2.. by falling training count."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from weakref import WeakKeyDictionary

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from autofi.data.dictionary_batches import Dictionaries, Entries, Texts

MISSING = 0
OUT_OF_VOCABULARY = 1
FIRST_VALUE = 2

# Arrow builds its hash table in every call. For fewer values than this share of the vocabulary, a dict is faster.
_FEW_VALUES = 1 / 64


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The values seen in training.

    Attributes:
        values: Values in the order of their codes: value k has code k + 2.
        counts: Training count per code; the first is that of missing values, the second is 0.
    """

    values: pa.LargeStringArray
    counts: NDArray[np.int64]

    @property
    def cardinality(self) -> int:
        """Number of codes, including those of missing values and out of vocabulary."""
        return len(self.values) + FIRST_VALUE

    def codes(self, values: pa.Array) -> NDArray[np.int32]:
        """Return the code of each canonical text, plain or dictionary-encoded; null is missing."""
        if pa.types.is_dictionary(values.type):
            entries = Dictionaries().entries(values)
            return self.entry_codes(entries).take(entries.of_row)
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

    def entry_codes(self, entries: Entries) -> NDArray[np.int32]:
        """Return the code of each entry and, last, of a missing value; entries are looked up only once."""
        texts = entries.texts
        if len(texts.codes) < entries.size:
            new = texts.values.slice(len(texts.codes), entries.size - len(texts.codes))
            texts.codes = np.concatenate([texts.codes, self.codes(new)])
        return np.append(texts.codes[: entries.size], np.int32(MISSING))

    @cached_property
    def _code_of_value(self) -> dict[str | None, int]:
        codes: dict[str | None, int] = dict(
            zip(self.values.to_pylist(), range(FIRST_VALUE, self.cardinality), strict=True)
        )
        return codes | {None: MISSING}


class ValueCounter:
    """Counts of canonical texts, collected batch by batch; it holds each distinct value about twice."""

    def __init__(self) -> None:
        self._dictionaries = Dictionaries()
        self._values = pa.array(
            [], pa.large_string()
        )  # in the order of appearance; positions are their numbers
        self._counts = np.zeros(0, dtype=np.int64)
        self._missing = 0
        self._pending: list[tuple[Texts, NDArray[np.int64]]] = []
        self._numbers: WeakKeyDictionary[Texts, NDArray[np.int32]] = WeakKeyDictionary()

    def add(self, values: pa.Array) -> None:
        """Count one batch, plain or dictionary-encoded; null is missing."""
        self.add_entries(self._dictionaries.entries(values))

    def add_entries(self, entries: Entries, rows: NDArray[np.int64] | None = None) -> None:
        """Count the given rows of a batch; None counts all."""
        of_row = entries.of_row if rows is None else entries.of_row.take(rows)
        counts = np.bincount(of_row, minlength=entries.size + 1)
        self._missing += int(counts[-1])
        counts = counts[:-1]
        if self._pending and self._pending[-1][0] is entries.texts:
            _, before = self._pending.pop()
            counts[: len(before)] += before
        elif sum(len(counts) for _, counts in self._pending) > max(1_000_000, len(self._values)):
            self._merge()
        self._pending.append((entries.texts, counts))

    def add_missing(self, rows: int) -> None:
        """Count missing rows, besides the nulls that `add` counts."""
        self._missing += rows

    def vocabulary(self) -> Vocabulary:
        """Return the values counted so far, by falling count and, among equals, by rising value.

        Dictionaries that are still in use get their codes, so that these need not be looked up.
        """
        self._merge()
        seen = np.flatnonzero(self._counts)
        counts = self._counts[seen]
        values = self._values.take(pa.array(seen))
        together = pa.table({"value": values, "count": counts})
        order = pc.sort_indices(together, sort_keys=[("count", "descending"), ("value", "ascending")])
        ranks = order.to_numpy()
        code_of_number = np.full(len(self._values) + 1, OUT_OF_VOCABULARY, dtype=np.int32)
        code_of_number[seen[ranks]] = np.arange(FIRST_VALUE, len(seen) + FIRST_VALUE, dtype=np.int32)
        code_of_number[-1] = MISSING
        for texts, numbers in self._numbers.items():
            texts.codes = code_of_number[numbers]
        counts = np.concatenate(([self._missing, 0], counts[ranks]))
        return Vocabulary(values.take(order), counts.astype(np.int64))

    def _merge(self) -> None:
        if not self._pending:
            return
        parts = [
            texts.values.slice(0, len(counts)).cast(pa.large_string()) for texts, counts in self._pending
        ]
        encoded = pa.concat_arrays([self._values, *parts]).dictionary_encode()
        known = len(self._values)
        self._values = encoded.dictionary
        beyond = len(self._values)
        numbers = pc.fill_null(encoded.indices, beyond).to_numpy()[known:]
        # Sums of whole numbers in float64 are exact up to 2^53 rows.
        counts = np.concatenate([counts for _, counts in self._pending])
        summed = np.bincount(numbers, weights=counts, minlength=beyond + 1).astype(np.int64)
        self._missing += int(summed[-1])
        summed[:known] += self._counts
        self._counts = summed[:-1]
        ends = np.cumsum([len(counts) for _, counts in self._pending])
        for (texts, _), own in zip(self._pending, np.split(numbers, ends[:-1]), strict=True):
            before = self._numbers.get(texts)
            # A dictionary that grew after a merge comes again as a whole.
            self._numbers[texts] = own if before is None or len(own) > len(before) else before
        self._pending = []
