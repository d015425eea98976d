"""Columns of text as entries of dictionaries, which the batches of a column share where they can."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray


@dataclass(eq=False)
class Texts:
    """The dictionary of one or more batches of a column; later batches may have added to its end."""

    values: pa.Array
    codes: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, dtype=np.int32))
    """The codes of its first entries in the vocabulary of the column, as far as they are known."""


@dataclass(frozen=True, eq=False)
class Entries:
    """One batch of a column: the dictionary entry of each row."""

    of_row: NDArray[np.int32]
    """[N]; `size` is a missing value."""
    size: int
    """How many entries the dictionary had with this batch."""
    texts: Texts
    added_bytes: int
    """Bytes of the entries that this batch brought."""


class Dictionaries:
    """Notices where a batch of a column brings the dictionary of the batch before, as it was or longer.

    The batches of a Parquet row group do: comparing is far quicker than looking every text up again.
    """

    def __init__(self) -> None:
        self._last: Texts | None = None

    def entries(self, values: pa.Array) -> Entries:
        """The next batch of the column, plain or dictionary-encoded; null is missing."""
        if not pa.types.is_dictionary(values.type):
            values = values.dictionary_encode()
        dictionary = values.dictionary
        size = len(dictionary)
        of_row = pc.fill_null(pc.cast(values.indices, pa.int32()), size)
        last, before = self._last, 0
        if last is not None and dictionary.slice(0, len(last.values)).equals(last.values):
            before = last.values.nbytes
            last.values = dictionary
        else:
            self._last = last = Texts(dictionary)
        return Entries(of_row.to_numpy(zero_copy_only=False), size, last, dictionary.nbytes - before)
