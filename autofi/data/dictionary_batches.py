"""Columns of text as entries of dictionaries, which the batches of a column share where possible."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

_FIRST_ROWS = 1 << 12


@dataclass(eq=False)
class Texts:
    """The dictionary of one or more batches of a column; later batches may append to it.

    Attributes:
        values: The entries.
        codes: The codes of the first entries in the column's vocabulary, as far as they are known.
    """

    values: pa.Array
    codes: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, dtype=np.int32))


@dataclass(frozen=True, eq=False)
class Entries:
    """One batch of a column as dictionary entries.

    Attributes:
        of_row: Entry of each row, `[N]`, in the smallest type that fits; `size` is a missing value.
        size: Number of entries of the dictionary with this batch.
        texts: The dictionary.
        added_bytes: Bytes of the entries that this batch added.
    """

    of_row: NDArray[np.integer[Any]]
    size: int
    texts: Texts
    added_bytes: int


class Dictionaries:
    """The dictionaries of a column's batches, joined where a batch has that of the batch before, or a longer one.

    The batches of a Parquet row group do. Comparing dictionaries is far faster than looking every text up again.
    """

    def __init__(self) -> None:
        self._last: Texts | None = None

    def entries(self, values: pa.Array) -> Entries:
        """Return the entries of the next batch, which is plain or dictionary-encoded; null is missing."""
        if not pa.types.is_dictionary(values.type):
            values = values.dictionary_encode()
        dictionary = values.dictionary
        size = len(dictionary)
        last, before = self._last, 0
        if last is not None and _continues(dictionary, last.values):
            before = last.values.nbytes
            last.values = dictionary
        else:
            self._last = last = Texts(dictionary)
        return Entries(_of_row(values, np.min_scalar_type(size)), size, last, dictionary.nbytes - before)


class FirstUses:
    """A filter for the values of a dictionary-encoded column that a batch is the first to use.

    A value comes again if a batch has another dictionary, which does not continue the last one.
    """

    def __init__(self) -> None:
        self._dictionary: pa.Array | None = None
        self._used = np.zeros(0, dtype=bool)

    def new(self, column: pa.DictionaryArray) -> pa.Array:
        """Return the values that this batch is the first to use, in the order of appearance, without null."""
        dictionary = column.dictionary
        known = self._used
        if self._dictionary is None or not _continues(dictionary, self._dictionary):
            known = known[:0]
        self._dictionary = dictionary
        self._used = used = np.concatenate([known, np.zeros(len(dictionary) - len(known), dtype=bool)])
        found = [np.zeros(0, dtype=np.int64)]
        start, rows = 0, _FIRST_ROWS
        # Most values appear among the first rows, so that the others often need not be read.
        while start < len(column) and not used.all():
            entries = pc.drop_null(column.indices.slice(start, rows)).to_numpy()
            fresh, places = np.unique(entries[~used[entries]], return_index=True)
            used[fresh] = True
            found.append(fresh[np.argsort(places)].astype(np.int64))
            start, rows = start + rows, 4 * rows
        return dictionary.take(pa.array(np.concatenate(found)))


def _continues(dictionary: pa.Array, before: pa.Array) -> bool:
    return bool(dictionary.slice(0, len(before)).equals(before))


def _of_row(values: pa.DictionaryArray, kind: np.dtype[Any]) -> NDArray[np.integer[Any]]:
    of_row = values.indices
    if of_row.null_count:
        of_row = pc.fill_null(pc.cast(of_row, pa.int64()), len(values.dictionary))
    entries: NDArray[np.integer[Any]] = of_row.to_numpy(zero_copy_only=False).astype(kind)
    return entries
