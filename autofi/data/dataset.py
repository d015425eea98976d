"""Encoded rows as contiguous arrays, and the parts they are split into."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from autofi.core.memmap import release
from autofi.data.encoded_rows import EncodedRows
from autofi.data.features import Column
from autofi.data.folds import cells_together

if TYPE_CHECKING:
    from autofi.data.encoder import Encoder

_BYTES_AT_ONCE = 1 << 26


@dataclass(frozen=True, eq=False)
class EncodedDataset:
    """A table encoded: rows are stored train, then valid, then test, each part in the order of its table.

    Large arrays are memory maps; `parts["test"]` is an empty slice where there are no test rows.
    """

    encoder: Encoder
    ids: NDArray[np.int32]
    numbers: NDArray[np.float32]
    bags: Mapping[str, NDArray[np.int32]]
    labels: NDArray[np.float32]
    """[N] 0 or 1."""
    weights: NDArray[np.float32] | None
    groups: NDArray[np.int64] | None
    """[N] a hash of the group column's value: only equality means something."""
    parts: Mapping[str, slice]
    fingerprint: str
    """XXH3-128 over the schema, the parts and every array: equal data, equal fingerprint."""
    apart: Column | None = None
    """The fields whose cells, together, no validation row shares with training; `()` is the group column."""

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def nbytes(self) -> int:
        """Bytes of the codes, positions and tokens."""
        return sum(array.nbytes for array in (self.ids, self.numbers, *self.bags.values()))

    @property
    def apart_names(self) -> list[str] | None:
        """`apart` by name: one or two fields, the group column, or None."""
        if self.apart is None:
            return None
        schema = self.encoder.schema
        return [schema.names[field] for field in self.apart] or [str(schema.group)]

    def together(self) -> NDArray[np.int64] | None:
        """Which training rows must share a fold, a number per row; None where the split keeps nothing apart."""
        if self.apart is None:
            return None
        train = self.parts["train"]
        groups = None if self.groups is None else self.groups[train]
        return cells_together(self.ids[train], self.encoder.cardinalities, self.apart, groups)

    def rows(self, part: str | slice) -> EncodedRows:
        """A view of the rows of "train", "valid", "test", or any slice of rows; nothing is copied."""
        chosen = self.parts[part] if isinstance(part, str) else part
        return EncodedRows(
            ids=self.ids[chosen],
            numbers=self.numbers[chosen],
            bags={name: bag[chosen] for name, bag in self.bags.items()},
            labels=self.labels[chosen],
            weights=None if self.weights is None else self.weights[chosen],
            groups=None if self.groups is None else self.groups[chosen],
        )


def fingerprint(
    description: Mapping[str, Any], parts: Mapping[str, slice], arrays: Mapping[str, NDArray[Any] | None]
) -> str:
    """XXH3-128, in hexadecimal, of a JSON description, the parts, and the arrays with their types."""
    state = xxhash.xxh3_128()
    bounds = {name: [part.start, part.stop] for name, part in parts.items()}
    state.update(json.dumps([description, bounds], sort_keys=True).encode())
    for name in sorted(arrays):
        array = arrays[name]
        if array is None:
            continue
        state.update(json.dumps([name, array.dtype.str, array.shape]).encode())
        rows = max(1, _BYTES_AT_ONCE // max(1, array.itemsize * int(np.prod(array.shape[1:]))))
        for start in range(0, len(array), rows):
            state.update(np.ascontiguousarray(array[start : start + rows]).data)
            release(array)
    return state.hexdigest()
