"""A reader of the wire format of Protocol Buffers that needs no message classes.

ONNX Runtime contains no classes of ONNX messages, and scoring rows does not need the package `onnx`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

Value = int | memoryview


def fields(message: memoryview) -> Iterator[tuple[int, Value]]:
    """Yield every field of a message with its number: integers as such, everything else as bytes.

    Nothing is copied, and nested messages are not entered.

    Raises:
        ValueError: The bytes are not a message.
    """
    place, end = 0, len(message)
    while place < end:
        key, place = _varint(message, place)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, place = _varint(message, place)
            yield number, value
            continue
        if kind == _BYTES:
            size, place = _varint(message, place)
        elif kind in (_FIXED64, _FIXED32):
            size = 8 if kind == _FIXED64 else 4
        else:
            raise ValueError(f"a field of kind {kind}, which no message has")
        if size > end - place:
            raise ValueError("a field is longer than its message")
        yield number, message[place : place + size]
        place += size


def text(value: Value) -> str:
    """Return a field as text; raise ValueError for a number."""
    if isinstance(value, int):
        raise ValueError("a number stands where a text should")
    return bytes(value).decode()


def part(value: Value) -> memoryview:
    """Return a field as the bytes of a message; raise ValueError for a number."""
    if isinstance(value, int):
        raise ValueError("a number stands where a message should")
    return value


def integers(message: memoryview, number: int) -> NDArray[np.int64]:
    """Return all integers of a repeated field, packed or one by one, in their order."""
    start = 0
    if len(message) > 1 and message[0] == 10:  # a name
        size, start = _varint(message, 1)
        start += size
    try:
        # Fast for hundreds of thousands of integers, where only integers follow the name.
        found = packed(message[start:])
    except ValueError:
        found = np.zeros(1, np.int64)
    keys, values = found[::2], found[1::2]
    if len(keys) == len(values) and not (keys & 7).any():
        chosen: NDArray[np.int64] = values[keys >> 3 == number]
        return chosen
    given = [value for key, value in fields(message) if key == number]
    loose = np.array([value for value in given if isinstance(value, int)], dtype=np.uint64).view(np.int64)
    return np.concatenate([loose, *(packed(value) for value in given if not isinstance(value, int))])


def packed(data: memoryview) -> NDArray[np.int64]:
    """Return integers that are stored one after the other; raise ValueError where the last one is incomplete."""
    read = np.frombuffer(data, np.uint8)
    if not len(read):
        return np.zeros(0, np.int64)
    if read[-1] >= 0x80:
        raise ValueError("a number ends early")
    ends = np.flatnonzero(read < 0x80)
    starts = np.concatenate([[0], ends[:-1] + 1])
    places = np.arange(len(read)) - np.repeat(starts, ends - starts + 1)
    if places.max() > 9:
        raise ValueError("a number is longer than any")
    parts = (read & 0x7F).astype(np.uint64) << (7 * places).astype(np.uint64)
    return np.add.reduceat(parts, starts).view(np.int64)


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    value = shift = 0
    while place < len(message) and shift < 64:
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, place
        shift += 7
    raise ValueError("a number ends early")
