"""Readers of the columns that are not fields: labels, weights and groups."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pyarrow.compute as pc
import xxhash
from numpy.typing import NDArray

from autofi.errors import DataError, shown
from autofi.values.arrow_values import Column, UnreadableValueError, as_numbers, canonical_codes
from autofi.values.value_types import AS_WRITTEN, Reading, ValueType

_GROUPS = Reading(ValueType.INTEGER)
_WORDS = {"true": 1, "false": 0}


@contextmanager
def located(table: str, column: str, rows: Sequence[int] | NDArray[np.int64]) -> Iterator[None]:
    """Turn an UnreadableValueError into a DataError with its place.

    Args:
        table: Name of the table.
        column: Name of the column.
        rows: Numbers of the rows, from 0.

    Raises:
        DataError: A value cannot be read.
    """
    try:
        yield
    except UnreadableValueError as error:
        row = int(rows[error.position]) + 1 if error.position < len(rows) else 1
        raise DataError(
            f"Row {row} of {table} has {shown(error.value)} in column '{column}', which is not {error.reason}; "
            "correct the value, or give the column another use."
        ) from None


def read_labels(column: Column, reading: Reading = AS_WRITTEN) -> NDArray[np.int8]:
    """Return -1, 0 or 1 per row, from numbers, booleans and the texts true and false; -1 and 0 mean no click.

    Raises:
        UnreadableValueError: A value is missing or any other.
    """
    encoded = canonical_codes(column, reading)
    texts = [*encoded.dictionary.to_pylist(), None]
    labels = [_label(text) for text in texts]
    of_row = pc.fill_null(encoded.indices, len(texts) - 1).to_numpy(zero_copy_only=False)
    wrong = np.array([label is None for label in labels])[of_row]
    if wrong.any():
        position = int(wrong.argmax())
        value = texts[of_row[position]]
        raise UnreadableValueError(value, position, "a label (0 and 1, -1 and 1, or true and false)")
    known = np.array([label or 0 for label in labels], dtype=np.int8)
    read: NDArray[np.int8] = known[of_row]
    return read


def read_weights(column: Column, reading: Reading = AS_WRITTEN) -> NDArray[np.float32]:
    """Return the weights.

    Raises:
        UnreadableValueError: A weight is missing, negative, not finite or not a number.
    """
    weights = as_numbers(column, reading)
    wrong = ~(np.isfinite(weights) & (weights >= 0))
    if wrong.any():
        position = int(wrong.argmax())
        raise UnreadableValueError(column[position].as_py(), position, "a finite weight of at least 0")
    return weights.astype(np.float32)


def read_groups(column: Column, reading: Reading = AS_WRITTEN) -> NDArray[np.int64]:
    """Return a 64-bit hash (XXH3) of each canonical value, equal in all files; missing values are one group."""
    return hash_values(column, reading, seed=0).view(np.int64)


def hash_values(column: Column, reading: Reading = AS_WRITTEN, *, seed: int) -> NDArray[np.uint64]:
    """Return XXH3 of the UTF-8 bytes of each canonical value (7.0 as 7); 0 for missing values."""
    encoded = canonical_codes(column, _GROUPS if reading.values is None else reading)
    hashes = np.array(
        [
            0 if value is None else xxhash.xxh3_64_intdigest(value.encode(), seed=seed)
            for value in [*encoded.dictionary.to_pylist(), None]
        ],
        dtype=np.uint64,
    )
    of_row = pc.fill_null(encoded.indices, len(hashes) - 1)
    hashed: NDArray[np.uint64] = hashes[of_row.to_numpy(zero_copy_only=False)]
    return hashed


def _label(value: str | None) -> int | None:
    if value is None:
        return None
    text = value.strip().lower()
    if text in _WORDS:
        return _WORDS[text]
    try:
        number = float(text)
    except ValueError:
        return None
    return int(number) if number in (-1.0, 0.0, 1.0) else None
