"""The encoded dataset: rows as contiguous arrays, split into parts."""

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
    """An encoded table: train rows, then valid, then test, each part in the order of its table.

    Large arrays are mapped to files. See `EncodedRows` for the arrays.

    Attributes:
        encoder: The encoder, fitted on the training rows.
        labels: 0 or 1, `[N]`.
        weights: Weights of the rows, `[N]`.
        groups: A hash of the value of the group column, `[N]`; only equality has a meaning.
        parts: Slices of rows by part; `parts["test"]` is empty if there are no test rows.
        fingerprint: XXH3-128 over the schema, the parts and every array: equal data have equal fingerprints.
        apart: Fields whose cells, together, no validation row shares with training; `()` is the group column.
    """

    encoder: Encoder
    ids: NDArray[np.int32]
    numbers: NDArray[np.float32]
    bags: Mapping[str, NDArray[np.int32]]
    labels: NDArray[np.float32]
    weights: NDArray[np.float32] | None
    groups: NDArray[np.int64] | None
    parts: Mapping[str, slice]
    fingerprint: str
    apart: Column | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def nbytes(self) -> int:
        """Bytes of the codes, positions and tokens."""
        return sum(array.nbytes for array in (self.ids, self.numbers, *self.bags.values()))

    @property
    def apart_names(self) -> list[str] | None:
        """Names of `apart`: one or two fields, the group column, or None."""
        if self.apart is None:
            return None
        schema = self.encoder.schema
        return [schema.names[field] for field in self.apart] or [str(schema.group)]

    def together(self, part: str = "train") -> NDArray[np.int64] | None:
        """Return a number per row of a part, `[N]`: rows of one number must share a fold; None for any folds."""
        if self.apart is None:
            return None
        rows = self.parts[part]
        groups = None if self.groups is None else self.groups[rows]
        return cells_together(self.ids[rows], self.encoder.cardinalities, self.apart, groups)

    def rows(self, part: str | slice) -> EncodedRows:
        """Return a view of the rows of "train", "valid" or "test", or of a slice of rows; nothing is copied."""
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
    """Return XXH3-128, in hexadecimal, of a JSON description, the parts, and the arrays with their types."""
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
