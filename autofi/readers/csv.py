"""Tables of text columns from CSV, TSV and other delimited text."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from autofi.errors import DataError
from autofi.readers.csv_dialect import find_layout, long_cells, parse_delimiter
from autofi.readers.table import Table, no_rows
from autofi.readers.text_encoding import MOST_ROW_BYTES, not_decoded, open_text

_BLOCK_BYTES = 8 << 20
_ROWS_OF_BLOCK = 2048
_SAMPLE_BYTES = 1 << 18
_SAMPLE_LINES = 50
_MOST_SAMPLE_BYTES = 16 << 20
#: First bytes of formats whose files are often named like text files.
_MAGIC = {
    b"PAR1": "Parquet",
    b"ARROW1": "an Arrow file",
    b"PK\x03\x04": "a ZIP archive or an Excel workbook",
    b"SQLite format 3\0": "a SQLite database",
}
_INDEX = "an index: a first column without a name; rename it to use it"


class DelimitedTable(Table):
    """A file of delimited text, plain or compressed; every value is text, and empty cells are null.

    Cells may be quoted with `"`, and quoted cells may hold line breaks. Blank lines are skipped, and so is a first line
    `sep=;`, which Excel reads. Text is UTF-8, or UTF-16 or UTF-32 with a byte order mark. A row has at most 64 MB.
    Columns without a name are called c0, c1, ... by position; those before the first name are an index and left out.

    Args:
        path: The file.
        header: True if the first row holds the names; None finds out from the first rows (see `find_layout`).
        delimiter: The character between cells; None takes a tab for `.tsv` and `.tab`, and else finds out.
        names: Columns that the file is expected to have.
    """

    def __init__(
        self,
        path: Path,
        *,
        header: bool | None = None,
        delimiter: str | None = None,
        names: Sequence[str] = (),
    ) -> None:
        if path.stat().st_size == 0:
            raise no_rows(str(path))
        self._path = path
        if delimiter is not None:
            delimiter = parse_delimiter(delimiter)
        elif {".tsv", ".tab"} & {suffix.lower() for suffix in path.suffixes}:
            delimiter = "\t"
        sample, whole = _sample(path)
        try:
            layout = find_layout(
                sample, str(path), whole=whole, header=header, delimiter=delimiter, names=names
            )
        except csv.Error as error:
            raise DataError(f"{path} cannot be read as delimited text: {error}; write it again.") from None
        self._layout = layout
        self._block_bytes = _block_bytes(sample)
        super().__init__(str(path), layout.columns)
        self.left_out = dict.fromkeys(layout.unnamed, _INDEX)
        self.notes = () if layout.note is None else (f"{path}: {layout.note}.",)

    def _read(self, columns: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
        rows = 0
        while True:
            known = rows
            try:
                for batch in self._blocks(columns):
                    fresh = batch.slice(known)
                    known -= batch.num_rows - fresh.num_rows
                    self._check_rows(fresh, rows)
                    rows += fresh.num_rows
                    if fresh.num_rows:
                        yield fresh
                return
            except (pa.ArrowInvalid, OSError, EOFError, UnicodeDecodeError) as error:
                if not _is_too_long(error) or self._block_bytes >= MOST_ROW_BYTES:
                    raise self._refusal(error) from None
            # It starts over and skips the rows that it has read. Later passes begin with blocks of this size.
            self._block_bytes = min(8 * self._block_bytes, MOST_ROW_BYTES)

    def _blocks(self, columns: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
        layout = self._layout
        with open_text(self._path) as file:
            quotes = _QuoteCounter(file)
            yield from pa.csv.open_csv(
                pa.PythonFile(quotes, mode="r"),
                read_options=pa.csv.ReadOptions(
                    column_names=list(layout.columns),
                    skip_rows=layout.header_lines,
                    block_size=self._block_bytes,
                ),
                parse_options=pa.csv.ParseOptions(delimiter=layout.delimiter, newlines_in_values=True),
                convert_options=pa.csv.ConvertOptions(
                    column_types={column: pa.string() for column in layout.columns},
                    include_columns=list(columns),
                    null_values=[""],
                    strings_can_be_null=True,
                ),
            )
            if quotes.odd:
                self._check_last_quote()

    def _check_rows(self, batch: pa.RecordBatch, before: int) -> None:
        """Raise DataError for a row that is too long, which Arrow may read where two blocks meet."""
        if self._block_bytes < MOST_ROW_BYTES or batch.nbytes <= MOST_ROW_BYTES:
            return
        lengths = np.zeros(batch.num_rows, dtype=np.int64)
        for column in batch.columns:
            lengths += pc.fill_null(pc.binary_length(column), 0).to_numpy()
        if lengths.max() > MOST_ROW_BYTES:
            raise self._too_long(f"row {before + int(lengths.argmax()) + 1}")

    def _too_long(self, place: str) -> DataError:
        return DataError(
            f"{self.name} has a row of more than {MOST_ROW_BYTES >> 20} MB, which is the limit: {place}; shorten it, "
            'or close the quote (") that may be open there.'
        )

    def _refusal(self, error: Exception) -> DataError:
        """Return the error with the line and a way out; Arrow knows neither, so a slow second pass finds the line."""
        if isinstance(error, UnicodeDecodeError):
            return not_decoded(self._path, error)
        if "invalid UTF8" in str(error):
            return _not_utf8(self._path)
        if _is_too_long(error):
            return self._too_long("see the lines that are as long")
        if "CSV parse error" in str(error):
            ragged = self._ragged_line()
            if ragged is not None:
                return ragged
        return DataError(f"{self.name} cannot be read as delimited text: {_one_line(error)}; write it again.")

    def _ragged_line(self) -> DataError | None:
        expected = len(self._layout.columns)
        with _decoded(self._path) as text, long_cells():
            rows = csv.reader(text, delimiter=self._layout.delimiter)
            try:
                for cells in rows:
                    if cells and len(cells) != expected and rows.line_num > self._layout.header_lines:
                        return DataError(
                            f"Line {rows.line_num} of {self.name} has {len(cells)} cells and the first row has "
                            f"{expected}; correct it, quote cells that contain {self._layout.delimiter!r}, or pass "
                            "another --delimiter."
                        )
            except csv.Error:
                return None
        return None

    def _check_last_quote(self) -> None:
        """Raise DataError for an open quote at the end; a strict reader tells it from a quote in an unquoted cell."""
        with _decoded(self._path) as text, long_cells():
            rows = csv.reader(text, delimiter=self._layout.delimiter, strict=True)
            line = 1
            try:
                for _ in rows:
                    line = rows.line_num + 1
            except csv.Error as error:
                if "unexpected end" in str(error):
                    raise DataError(
                        f"The quoted cell that starts in line {line} of {self.name} runs to the end of the file; "
                        "close it, or write quotes in cells twice."
                    ) from None


class _QuoteCounter(io.RawIOBase):
    """A file that counts the quotes it hands out, modulo 2."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.odd = False

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        data = self._file.read(-1 if size is None else size)
        self.odd ^= bool(data.count(b'"') & 1)
        return data


def _is_too_long(error: Exception) -> bool:
    return "straddl" in str(error) or "larger than block size" in str(error)


def _block_bytes(sample: str) -> int:
    """Return a block size that holds thousands of rows even of a wide table, as many small batches are slow."""
    lines = sample.count("\n") or sample.count("\r") or 1
    return min(max(_BLOCK_BYTES, _ROWS_OF_BLOCK * (len(sample) // lines)), MOST_ROW_BYTES)


def _sample(path: Path) -> tuple[str, bool]:
    """Return the first whole lines of the file, and True if these are all of it."""
    try:
        with open_text(path) as file:
            data = file.read(_SAMPLE_BYTES)
            whole = len(data) < _SAMPLE_BYTES
            while not whole and data.count(b"\n") + data.count(b"\r") < _SAMPLE_LINES:
                if len(data) >= _MOST_SAMPLE_BYTES:
                    break
                more = file.read(len(data))
                whole = not more
                data += more
    except UnicodeDecodeError as error:
        raise not_decoded(path, error) from None
    except (OSError, EOFError) as error:
        raise DataError(f"{path} cannot be read: {_one_line(error)}; write it again.") from None
    for magic, what in _MAGIC.items():
        if data.startswith(magic) and 0 in data:
            raise DataError(
                f"{path} holds {what}, not delimited text; rename it after its contents, or write it again."
            )
    if data.count(0) > len(data) // 4:
        raise DataError(
            f"{path} holds NUL bytes, as UTF-16 without a byte order mark does; convert it, as with "
            "'iconv -f utf-16le -t utf-8'."
        )
    try:
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(data, final=whole)
    except UnicodeDecodeError:
        raise _not_utf8(path) from None
    end = max(text.rfind("\n"), text.rfind("\r"))
    return (text, whole) if whole or end < 0 else (text[: end + 1], whole)


def _not_utf8(path: Path) -> DataError:
    with open_text(path) as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                return DataError(
                    f"Line {number} of {path} holds {line[error.start : error.end]!r}, which is not UTF-8; "
                    "convert the file, as with 'iconv -f latin1 -t utf-8'."
                )
    return DataError(f"{path} is not in UTF-8; convert the file with iconv.")


def _decoded(path: Path) -> IO[str]:
    return io.TextIOWrapper(open_text(path), encoding="utf-8-sig", errors="replace", newline="")


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
