"""Conversion of Arrow columns to the plain types that are read: text, numbers, booleans, times, lists of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from autofi.values.arrow_values import is_list


def is_plain(kind: pa.DataType) -> bool:
    """Return True if `to_plain_types` leaves columns of this type unchanged."""
    if isinstance(kind, pa.BaseExtensionType) or pa.types.is_run_end_encoded(kind):
        return False
    if pa.types.is_dictionary(kind):
        return bool(pa.types.is_string(kind.value_type) or pa.types.is_large_string(kind.value_type))
    if is_list(kind):
        lists = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
        return bool(lists and is_plain(kind.value_type) and not pa.types.is_dictionary(kind.value_type))
    return not bool(pa.types.is_string_view(kind) or pa.types.is_binary_view(kind))


def to_plain_types(column: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Return the values without views, run ends, extensions, and dictionaries of anything but text.

    UUIDs become text. Nested types (structs, maps, unions) stay unchanged, as they are never read.
    """
    if is_plain(column.type):
        return column
    if isinstance(column, pa.ChunkedArray):
        chunks = [to_plain_types(chunk) for chunk in column.chunks]
        return pa.chunked_array(chunks or [to_plain_types(pa.array([], column.type))])
    kind = column.type
    if isinstance(kind, pa.UuidType):
        return _uuid_texts(column.storage)
    if isinstance(kind, pa.Bool8Type):
        return pc.not_equal(column.storage, pa.scalar(0, pa.int8()))
    if isinstance(kind, pa.BaseExtensionType):
        return to_plain_types(column.storage)
    if pa.types.is_run_end_encoded(kind):
        # Arrow can decode values of only a few types.
        rows = column.offset + np.arange(len(column))
        return to_plain_types(column.values).take(
            pa.array(np.searchsorted(column.run_ends.to_numpy(), rows, side="right"))
        )
    if pa.types.is_dictionary(kind):
        return _plain_dictionary(column)
    if is_list(kind):
        return _plain_lists(column)
    return pc.cast(column, pa.large_string() if pa.types.is_string_view(kind) else pa.large_binary())


def batch_to_plain_types(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the batch with its columns converted by `to_plain_types`."""
    if all(map(is_plain, batch.schema.types)):
        return batch
    return pa.RecordBatch.from_arrays(
        [to_plain_types(column) for column in batch.columns], names=batch.schema.names
    )


def _plain_dictionary(column: pa.DictionaryArray) -> pa.Array:
    values = to_plain_types(column.dictionary)
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        return pa.DictionaryArray.from_arrays(column.indices, values)
    if pa.types.is_union(values.type) or pa.types.is_map(values.type):
        return values.take(pc.fill_null(column.indices, 0)) if len(values) else pa.nulls(len(column))
    return values.take(column.indices)


def _plain_lists(column: pa.Array) -> pa.Array:
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    offsets = np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))
    values = to_plain_types(pc.list_flatten(column))
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    return pa.LargeListArray.from_arrays(pa.array(offsets), values, mask=pc.is_null(column))


def _uuid_texts(column: Any) -> pa.Array:
    """Return the bytes in hexadecimal, with the hyphens of a UUID."""
    whole = pc.fill_null(column, pa.scalar(bytes(16), column.type))
    # After `take`, the buffer holds just these rows.
    raw = whole.take(pa.array(np.arange(len(whole)))).buffers()[1]
    digits = np.frombuffer(bytes(raw)[: 16 * len(whole)].hex().encode(), dtype="S32").astype("U32")
    texts = pa.array(digits, pa.string())
    parts = [pc.utf8_slice_codeunits(texts, start, stop) for start, stop in _UUID_PARTS]
    return pc.if_else(
        pc.is_valid(column), pc.binary_join_element_wise(*parts, "-"), pa.scalar(None, pa.string())
    )


_UUID_PARTS = ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32))
