"""Raw columns of fields, read as texts, numbers and tokens for fitting and encoding."""

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
    """One batch of one field; texts, numbers and tokens are read at most once."""

    def __init__(self, column: Column, field: Field, dictionaries: Dictionaries | None = None) -> None:
        """Wrap a raw column.

        Args:
            column: The raw column.
            field: The field.
            dictionaries: The dictionaries of earlier batches of the field.
        """
        self._column = column
        self._field = field
        self._dictionaries = dictionaries or Dictionaries()

    def read(self) -> None:
        """Read all that fitting and encoding need, and release the column.

        Raises:
            UnreadableValueError: A value cannot be read.
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
        """Bytes held after `read`, without dictionaries shared with the batch before."""
        held = 0
        if self._field.kind is not FieldKind.NUMERIC:
            held += self._entries.of_row.nbytes + self._entries.added_bytes
        if self._field.reads_as_number:
            held += self._numbers.nbytes
        if self._field.kind is FieldKind.MULTI_VALUED:
            held += self._tokens.nbytes
        return held

    def entries(self) -> Entries:
        """Return `codes` with a dictionary that the batches of the field share."""
        return self._entries

    def codes(self) -> pa.DictionaryArray:
        """Return the canonical text of each value as codes of a dictionary; null is missing.

        Tokens are joined by "|", whatever the separator.
        """
        if self._field.kind is FieldKind.MULTI_VALUED:
            return pc.binary_join(self._tokens, LIST_SEPARATOR).dictionary_encode()
        return canonical_codes(self._column, self._field.reading)

    def numbers(self) -> NDArray[np.float64]:
        """Return the number of each value; NaN is missing.

        In a categorical field whose training values read as numbers, an unseen text that is not a number is NaN, and
        its code is out of vocabulary.

        Raises:
            UnreadableValueError: A numeric field has a text that is not a number.
        """
        return self._numbers

    def tokens(self) -> pa.ListArray:
        """Return the canonical texts of each row's tokens; null if there are none."""
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
