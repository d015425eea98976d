"""Tables from libsvm and libfm text (`label index:value index:value ...`)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from numpy.typing import NDArray

from autofi.errors import DataError
from autofi.readers.table import BATCH_ROWS, Table, no_rows

LABEL = "label"
LINE = re.compile(r"\s*[^\s:]+(\s+\d+:[^\s:]+)*\s*(#.*)?")
_BLOCK_BYTES = 8 << 20
_MOST_COLUMNS = 1000
_CELLS = 1 << 23
_NO_TEXT = "\x01"  # Arrow needs a delimiter; this one keeps a line whole


@dataclass(frozen=True)
class _Entries:
    """Parsed lines: `labels` `[N]`, entries per line `counts` `[N]`, and all `indices` and `values` in order."""

    labels: NDArray[np.float64]
    counts: NDArray[np.int64]
    indices: NDArray[np.int64]
    values: NDArray[np.float64]


@dataclass
class _Survey:
    """Statistics of one pass over the lines, from which the columns are chosen."""

    rows: int = 0
    entries: int | None = None  # per line, None where lines differ
    only_ones: bool = True
    ones: Any = None  # bool [entries]: every value at this position is 1
    steady: Any = None  # bool [entries]: every index at this position is the first line's
    first: Any = None  # int64 [entries]
    indices: set[int] = field(default_factory=set)

    def add(self, batch: _Entries) -> None:
        if not len(batch.labels):
            return
        self.only_ones &= bool((batch.values == 1.0).all())
        if len(self.indices) <= _MOST_COLUMNS:
            self.indices |= set(np.unique(batch.indices).tolist())
        count = int(batch.counts[0])
        if self.rows == 0:
            self.entries = count
            self.ones = self.steady = np.ones(count, dtype=bool)
            self.first = batch.indices[:count]
        self.rows += len(batch.labels)
        if self.entries is None or not (batch.counts == self.entries).all():
            self.entries = None
            return
        shape = (len(batch.labels), self.entries)
        self.ones = self.ones & (batch.values.reshape(shape) == 1.0).all(axis=0)
        self.steady = self.steady & (batch.indices.reshape(shape) == self.first).all(axis=0)

    @property
    def by_position(self) -> bool:
        return bool(self.entries) and bool((self.ones | self.steady).all())


class LibsvmTable(Table):
    """A file of `label index:value ...` lines; blank lines and `# comments` are skipped.

    The first column is `label`. The others are chosen by a first pass over the file:

    - If every line has k entries, and at each of the k places either all values are 1 or the index is always the same
      (one-hot data as libfm writes it), there are columns f0 .. f{k-1}, one per place. They hold the index
      (categorical) where all values are 1, else the value.
    - Else, with at most 1000 different indices, there are columns i<index> with the value, 0 where a line lacks it.
    - Else, if all values are 1, there is one column `features` with the list of a line's indices.

    Raises:
        DataError: The file is none of these, or a line has another form (named by its number).
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        survey = _Survey()
        for batch in self._entries(str(path)):
            survey.add(batch)
        if survey.rows == 0:
            raise no_rows(str(path))
        self._survey = survey
        self._indices = np.array(sorted(survey.indices), dtype=np.int64)
        super().__init__(str(path), (LABEL, *self._features()))

    def _features(self) -> list[str]:
        survey = self._survey
        if survey.by_position:
            return [f"f{place}" for place in range(len(survey.first))]
        if len(survey.indices) <= _MOST_COLUMNS:
            return [f"i{index}" for index in self._indices]
        if survey.only_ones:
            return ["features"]
        raise DataError(
            f"{self._path} has libsvm lines of different forms, with more than {_MOST_COLUMNS} indices and values "
            "other than 1; write it as Parquet with one column per field."
        )

    def _read(self, columns: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
        for batch in self._entries(self.name):
            arrays = self._arrays(batch, columns)
            yield pa.RecordBatch.from_arrays([arrays[column] for column in columns], names=list(columns))

    def _arrays(self, batch: _Entries, columns: tuple[str, ...]) -> dict[str, pa.Array]:
        arrays = {LABEL: pa.array(batch.labels)}
        rows = len(batch.labels)
        if self._survey.by_position:
            indices, values = batch.indices.reshape(rows, -1), batch.values.reshape(rows, -1)
            for place, ones in enumerate(self._survey.ones):
                arrays[f"f{place}"] = pa.array((indices if ones else values)[:, place])
        elif len(self._survey.indices) <= _MOST_COLUMNS:
            line = np.repeat(np.arange(rows), batch.counts)
            column_of = np.searchsorted(self._indices, batch.indices)
            cells = np.zeros((len(self._indices), rows))
            cells[column_of, line] = batch.values
            for name, column in zip(self._features(), cells, strict=True):
                arrays[name] = pa.array(column)
        else:
            offsets = np.concatenate(([0], np.cumsum(batch.counts))).astype(np.int32)
            arrays["features"] = pa.ListArray.from_arrays(pa.array(offsets), pa.array(batch.indices))
        return {column: arrays[column] for column in columns}

    def _entries(self, name: str) -> Iterator[_Entries]:
        rows = max(1, min(BATCH_ROWS, _CELLS // _MOST_COLUMNS))
        try:
            for lines in _lines(self._path):
                for start in range(0, len(lines), rows):
                    yield _parse(lines.slice(start, rows))
        except (pa.ArrowInvalid, OSError, ValueError) as error:
            raise self._refusal(name, error) from None

    def _refusal(self, name: str, error: Exception) -> DataError:
        with pa.input_stream(str(self._path), compression="detect") as stream:
            for number, line in enumerate(stream.read().split(b"\n"), start=1):
                text = line.decode(errors="replace")
                if text.split("#")[0].strip() and not _sound(text):
                    shown = text.strip()[:60]
                    return DataError(
                        f"Line {number} of {name} is '{shown}', not 'label index:value ...' with numbers and each "
                        "index once; correct it, or rename the file after its contents."
                    )
        return DataError(f"{name} cannot be read: {' '.join(str(error).split())}; write it again.")


def _lines(path: Path) -> Iterator[pa.StringArray]:
    stream = pa.input_stream(str(path), compression="detect")
    try:
        reader = pa.csv.open_csv(
            stream,
            read_options=pa.csv.ReadOptions(column_names=["line"], block_size=_BLOCK_BYTES),
            parse_options=pa.csv.ParseOptions(delimiter=_NO_TEXT, quote_char=False),
            convert_options=pa.csv.ConvertOptions(column_types={"line": pa.string()}),
        )
    except pa.ArrowInvalid as error:
        if "Empty CSV" in str(error):
            return
        raise
    for batch in reader:
        yield batch.column(0)


def _parse(lines: pa.StringArray) -> _Entries:
    """Return the entries of lines.

    Raises:
        ValueError: A line has another form; Arrow's ArrowInvalid is one, too.
    """
    text = pc.replace_substring_regex(lines, "#.*$", "")
    tokens = pc.utf8_split_whitespace(pc.utf8_trim_whitespace(text))
    # Splitting an empty text gives one empty token.
    tokens = tokens.filter(pc.not_equal(pc.list_element(tokens, 0), "")) if len(tokens) else tokens
    counts = pc.list_value_length(tokens).to_numpy().astype(np.int64)
    flat = pc.list_flatten(tokens)
    is_label = np.zeros(len(flat), dtype=bool)
    is_label[np.cumsum(counts) - counts] = True
    labels = pc.cast(flat.filter(pa.array(is_label)), pa.float64()).to_numpy()
    parts = pc.split_pattern(flat.filter(pa.array(~is_label)), ":")
    if not (pc.list_value_length(parts).to_numpy() == 2).all():
        raise ValueError("an entry is not index:value")
    halves = pc.list_flatten(parts)
    even = np.arange(0, len(halves), 2)
    indices = pc.cast(halves.take(pa.array(even)), pa.int64()).to_numpy()
    values = pc.cast(halves.take(pa.array(even + 1)), pa.float64()).to_numpy()
    _check_once(counts - 1, indices)
    return _Entries(labels, counts - 1, indices, values)


def _check_once(counts: NDArray[np.int64], indices: NDArray[np.int64]) -> None:
    if not len(indices):
        return
    line = np.repeat(np.arange(len(counts)), counts)
    order = np.lexsort((indices, line))
    same = (np.diff(indices[order]) == 0) & (np.diff(line[order]) == 0)
    if same.any() or indices.min() < 0:
        raise ValueError("an index comes twice in a line, or is negative")


def _sound(line: str) -> bool:
    if LINE.fullmatch(line) is None:
        return False
    label, *entries = line.split("#")[0].split()
    pairs = [entry.split(":") for entry in entries]
    try:
        for number in (label, *(value for _, value in pairs)):
            float(number)
    except ValueError:
        return False
    return len({int(index) for index, _ in pairs}) == len(pairs)
