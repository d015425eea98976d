"""A field's raw column as the texts, numbers and tokens that are fitted and encoded."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from autofi.data.dictionary_batches import Dictionaries, Entries
from autofi.data.schema import Field, FieldKind
from autofi.values.arrow_values import LIST_SEPARATOR, Column, as_numbers, as_tokens, canonical_codes


class FieldValues:
    """One batch of one field; each reading is made at most once."""

    def __init__(self, column: Column, field: Field, dictionaries: Dictionaries | None = None) -> None:
        """`dictionaries` is that of the batches before, of the same field."""
        self._column = column
        self._field = field
        self._dictionaries = dictionaries or Dictionaries()

    def read(self) -> None:
        """Make every reading that fitting and encoding need, and let go of the column.

        Raises UnreadableValueError.
        """
        if self._field.kind is not FieldKind.NUMERIC:
            self.entries()
        if self._field.reads_as_number:
            self.numbers()
        if self._field.kind is FieldKind.MULTI_VALUED:
            self.tokens()
        self._column = None

    @property
    def nbytes(self) -> int:
        """Bytes held once `read`, but for dictionaries that the batch before holds as well."""
        held = 0
        if self._field.kind is not FieldKind.NUMERIC:
            held += self._entries.of_row.nbytes + self._entries.added_bytes
        if self._field.reads_as_number:
            held += self._numbers.nbytes
        if self._field.kind is FieldKind.MULTI_VALUED:
            held += self._tokens.nbytes
        return held

    def entries(self) -> Entries:
        """`codes` with a dictionary that batches of the field share."""
        return self._entries

    def codes(self) -> pa.DictionaryArray:
        """The canonical text of each value, as codes of a dictionary; null is missing.

        Tokens are joined by "|", however they came.
        """
        if self._field.kind is FieldKind.MULTI_VALUED:
            return pc.binary_join(self._tokens, LIST_SEPARATOR).dictionary_encode()
        return canonical_codes(self._column, self._field.reading)

    def numbers(self) -> NDArray[np.float64]:
        """The number of each value; NaN is missing.

        In a numeric field other text raises UnreadableValueError. In a categorical field whose training
        values read as numbers, an unseen text has no place among them and is NaN; its code says so.
        """
        return self._numbers

    def tokens(self) -> pa.ListArray:
        """The canonical texts of each row's tokens; null where there are none."""
        return self._tokens

    @cached_property
    def _entries(self) -> Entries:
        return self._dictionaries.entries(self.codes())

    @cached_property
    def _numbers(self) -> NDArray[np.float64]:
        strict = self._field.kind is FieldKind.NUMERIC
        return as_numbers(self._column, self._field.reading, strict=strict)

    @cached_property
    def _tokens(self) -> pa.ListArray:
        return as_tokens(self._column, self._field.separator, self._field.reading)
