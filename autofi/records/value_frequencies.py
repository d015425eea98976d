"""Frequencies in training of the values of held-out rows, kept with a study's predictions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from autofi.core.memmap import release
from autofi.data.dataset import EncodedDataset
from autofi.records.predictions import predictions_file, write_arrays
from autofi.store import StudyHandle

FREQUENCIES = "frequencies"
PARTS = ("valid", "test")
#: The most bytes of the codes of both parts; with more rows only every n-th is kept.
MOST_BYTES = 50_000_000
_ROWS_AT_ONCE = 1 << 16


@dataclass(frozen=True, eq=False)
class Frequencies:
    """The training frequencies of the values in kept rows of a part.

    Attributes:
        codes: `[N, F]`; 0: no training row has the value; k: 2^(k-1) to 2^k - 1 of them have it. A missing value is a
            value, a number stands for its bucket, a list for the whole of it.
        rows: Positions of the rows in the part, rising, in the order of the part's predictions and labels.
        fields: Names of the columns.
    """

    codes: npt.NDArray[np.uint8]
    rows: npt.NDArray[np.int64]
    fields: tuple[str, ...]


def frequency_codes(counts: npt.NDArray[np.integer]) -> npt.NDArray[np.uint8]:
    """Return 0 for a count of 0, else 1 + floor(log2(count))."""
    # This is exact: the exponent of the float64 is that of the count, for all possible counts.
    return np.asarray(np.frexp(counts.astype(np.float64))[1], dtype=np.uint8)


def save_frequencies(handle: StudyHandle, dataset: EncodedDataset) -> None:
    """Store the codes of validation and test rows, if the study has none yet."""
    path = predictions_file(handle, FREQUENCIES)
    if path.exists():
        return
    by_code = [frequency_codes(counts) for counts in dataset.encoder.counts]
    rows = sum(dataset.parts[part].stop - dataset.parts[part].start for part in PARTS)
    step = max(1, -(-rows * len(by_code) // MOST_BYTES))
    arrays: dict[str, npt.NDArray[np.generic]] = {
        part: _codes(dataset, dataset.parts[part], step, by_code) for part in PARTS
    }
    names = np.array(dataset.encoder.schema.names, dtype=np.str_)
    write_arrays(path, arrays | {"step": np.array(step), "fields": names})


def load_frequencies(handle: StudyHandle, part: str) -> Frequencies | None:
    """Return the codes of "valid" or "test"; None if they are gone or an earlier version did not keep them."""
    path = predictions_file(handle, FREQUENCIES)
    if not path.exists():
        return None
    with np.load(path, allow_pickle=False) as stored:
        codes = stored[part]
        rows = np.arange(len(codes)) * int(stored["step"])
        return Frequencies(codes, rows, tuple(map(str, stored["fields"])))


def _codes(
    dataset: EncodedDataset, part: slice, step: int, by_code: list[npt.NDArray[np.uint8]]
) -> npt.NDArray[np.uint8]:
    ids = dataset.ids[part][::step]
    codes = np.empty(ids.shape, dtype=np.uint8)
    for start in range(0, len(ids), _ROWS_AT_ONCE):
        block = slice(start, start + _ROWS_AT_ONCE)
        for field, of_code in enumerate(by_code):
            codes[block, field] = of_code[ids[block, field]]
        release(dataset.ids)
    return codes
