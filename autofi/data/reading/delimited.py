"""CSV, TSV and other delimited text as a table of text columns."""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.csv

from autofi.data.reading.table import Table, check_distinct, no_rows
from autofi.errors import DataError

_BLOCK_BYTES = 8 << 20
_SAMPLE_BYTES = 1 << 18
_SAMPLE_ROWS = 1000
_MISSING_MARKS = {"na", "n/a", "nan", "null", "none", "\\n", "?", "-"}
_NAME = re.compile(r"[^\W\d][\w .:/()%#@\-\[\]]*")


@dataclass(frozen=True)
class _Layout:
    """How the text is divided: found from its first rows."""

    delimiter: str
    columns: tuple[str, ...]
    header_lines: int


class DelimitedTable(Table):
    """One file of delimited text, plain or compressed; every value is text, and empty cells are null.

    Cells may be quoted with `"`, and quoted cells may hold line ends. Blank lines are skipped. The delimiter
    is a tab for `.tsv` and `.tab`; else the first of comma, tab, semicolon, vertical bar in the first line.

    Unless `header` says so, the first row holds the names when none of its cells is a number or a mark of a
    missing value (NA, null, ?, ...) and either some column is numbers below a text, or its cells are
    distinct, look like names and do not come again in their columns. Columns without a name are called
    c0, c1, ... by position.
    """

    def __init__(self, path: Path, *, header: bool | None = None) -> None:
        if path.stat().st_size == 0:
            raise no_rows(str(path))
        self._path = path
        self._layout = _layout(path, header)
        super().__init__(str(path), self._layout.columns)

    def _read(self, columns: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
        layout = self._layout
        with _open_binary(self._path) as file:
            quotes = _QuoteCounter(file)
            try:
                reader = pa.csv.open_csv(
                    pa.PythonFile(quotes, mode="r"),
                    read_options=pa.csv.ReadOptions(
                        column_names=list(layout.columns),
                        skip_rows=layout.header_lines,
                        block_size=_BLOCK_BYTES,
                    ),
                    parse_options=pa.csv.ParseOptions(delimiter=layout.delimiter, newlines_in_values=True),
                    convert_options=pa.csv.ConvertOptions(
                        column_types={column: pa.string() for column in layout.columns},
                        include_columns=list(columns),
                        null_values=[""],
                        strings_can_be_null=True,
                    ),
                )
                yield from reader
            except (pa.ArrowInvalid, OSError, EOFError) as error:
                raise self._refusal(error) from None
            if quotes.odd:
                self._check_last_quote()

    def _refusal(self, error: Exception) -> DataError:
        """Arrow knows neither the line nor the way out; a slow second pass finds the line."""
        if "invalid UTF8" in str(error):
            return _not_utf8(self._path)
        if "straddl" in str(error):
            return DataError(
                f"A row is shorter than {_BLOCK_BYTES >> 20} MB: {self.name} has a longer one, as after a "
                'quote (") that never closes; close it or write quotes in cells twice.'
            )
        if "CSV parse error" in str(error):
            ragged = self._ragged_line()
            if ragged is not None:
                return ragged
        return DataError(f"{self.name} cannot be read as delimited text: {_one_line(error)}; write it anew.")

    def _ragged_line(self) -> DataError | None:
        expected = len(self._layout.columns)
        with _open_text(self._path) as text:
            rows = csv.reader(text, delimiter=self._layout.delimiter)
            try:
                for cells in rows:
                    if cells and len(cells) != expected:
                        return DataError(
                            f"Every row has as many cells as the first: line {rows.line_num} of {self.name} "
                            f"has {len(cells)} instead of {expected}; mend it, or quote cells that contain "
                            f"{self._layout.delimiter!r}."
                        )
            except csv.Error:
                return None
        return None

    def _check_last_quote(self) -> None:
        """An odd number of quotes is sound when one stands inside an unquoted cell: ask a strict reader."""
        with _open_text(self._path) as text:
            rows = csv.reader(text, delimiter=self._layout.delimiter, strict=True)
            line = 1
            try:
                for _ in rows:
                    line = rows.line_num + 1
            except csv.Error as error:
                if "unexpected end" in str(error) or "field limit" in str(error):
                    raise DataError(
                        f"A quoted cell ends with a quote: the one that starts in line {line} of {self.name} "
                        "runs to the end of the file; close it or write quotes in cells twice."
                    ) from None


class _QuoteCounter(io.RawIOBase):
    """A file that remembers whether it handed out an odd number of quotes."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.odd = False

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        data = self._file.read(-1 if size is None else size)
        self.odd ^= bool(data.count(b'"') & 1)
        return data


def _layout(path: Path, header: bool | None) -> _Layout:
    sample = _sample(path)
    delimiter = _delimiter(path, sample)
    reader = csv.reader(io.StringIO(sample), delimiter=delimiter)
    rows: list[list[str]] = []
    first_lines = 0
    try:
        for cells in itertools.islice(reader, _SAMPLE_ROWS):
            if cells:
                rows.append(cells)
                first_lines = first_lines or reader.line_num
    except csv.Error as error:
        raise DataError(f"{path} cannot be read as delimited text: {error}; write it anew.") from None
    if not rows:
        raise no_rows(str(path))
    if header is None:
        header = _is_header(rows[0], rows[1:])
    if not header:
        return _Layout(delimiter, tuple(f"c{i}" for i in range(len(rows[0]))), 0)
    if len(rows) == 1:
        raise no_rows(str(path))
    names = tuple(cell.strip() or f"c{i}" for i, cell in enumerate(rows[0]))
    check_distinct(names, str(path), way_out="rename one, or say that the file has no header")
    return _Layout(delimiter, names, first_lines)


def _delimiter(path: Path, sample: str) -> str:
    if {".tsv", ".tab"} & {suffix.lower() for suffix in path.suffixes}:
        return "\t"
    lines = (line for line in sample.splitlines() if line.strip())
    first = next(lines, "")
    return next((candidate for candidate in ",\t;|" if candidate in first), ",")


def _is_header(first: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    first = [cell.strip() for cell in first]
    if any(_is_number(cell) or cell.lower() in _MISSING_MARKS for cell in first):
        return False
    if not below:
        return all(_NAME.fullmatch(cell) for cell in first)
    columns = [
        [row[i].strip() for row in below if i < len(row) and row[i].strip()] for i in range(len(first))
    ]
    for name, values in zip(first, columns, strict=True):
        if name and values and all(map(_is_number, values)):
            return True
    # pandas leaves the name of its index empty
    named = all(_NAME.fullmatch(cell) for cell in first[not first[0] :]) and len(set(first)) == len(first)
    return named and not any(name in values for name, values in zip(first, columns, strict=True))


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _sample(path: Path) -> str:
    """The first whole lines of the file."""
    try:
        with _open_binary(path) as file:
            data = file.read(_SAMPLE_BYTES)
            whole = len(data) < _SAMPLE_BYTES
    except (OSError, EOFError) as error:
        raise DataError(f"{path} cannot be read: {_one_line(error)}; write it anew.") from None
    try:
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(data, final=whole)
    except UnicodeDecodeError:
        raise _not_utf8(path) from None
    return text if whole or "\n" not in text else text[: text.rindex("\n") + 1]


def _not_utf8(path: Path) -> DataError:
    with _open_binary(path) as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                return DataError(
                    f"Text is in UTF-8: line {number} of {path} holds {line[error.start : error.end]!r}, "
                    "which is not; convert the file, as with 'iconv -f latin1 -t utf-8'."
                )
    return DataError(f"Text is in UTF-8: {path} is not; convert the file with iconv.")


def _open_binary(path: Path) -> IO[bytes]:
    """The file's bytes, decompressed where its name says so (.gz, .bz2, .zst, .lz4)."""
    return io.BufferedReader(pa.input_stream(str(path), compression="detect"), buffer_size=1 << 20)


def _open_text(path: Path) -> IO[str]:
    return io.TextIOWrapper(_open_binary(path), encoding="utf-8-sig", errors="replace", newline="")


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
