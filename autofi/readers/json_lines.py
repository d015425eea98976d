"""Tables from JSON: an object per line, or one array of objects."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json

from autofi.errors import DataError
from autofi.readers.dataframe import FrameTable
from autofi.readers.plain_types import to_plain_types
from autofi.readers.python_objects import ObjectColumn, object_column
from autofi.readers.table import Table, no_rows
from autofi.readers.text_encoding import MOST_ROW_BYTES, not_decoded, open_text
from autofi.readers.unify_schemas import Part, cast_batch, common_types, fit
from autofi.values.arrow_values import is_list

_BLOCK_BYTES = 8 << 20
#: Integers of this size and more are not exact as doubles.
_EXACT = 2.0**53
_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class _Block:
    """Some whole lines, and the number of the first of them, from 1."""

    lines: bytes
    first_line: int


class JsonLinesTable(Table):
    """A file with a JSON object per line, plain or compressed; keys are columns, in the order they first appear.

    A key that a row leaves out is missing there. Texts stay texts, even if they spell times. A column of values of
    several types is read as texts. A line has at most 64 MB.

    Raises:
        DataError: A line is not a JSON object, or a column holds lists in some rows and texts in others.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        parts = []
        remarks: dict[str, str] = {}
        for block in self._blocks():
            columns = self._columns(block)
            remarks |= {key: column.remark for key, column in columns.items() if column.remark is not None}
            kinds = {key: column.array.type for key, column in columns.items()}
            parts.append(Part(f"line {block.first_line} and after of {path}", tuple(kinds), kinds))
        if not parts:
            raise no_rows(str(path))
        super().__init__(str(path), tuple(dict.fromkeys(key for part in parts for key in part.columns)))
        mixed = self._mixed(parts)
        self.remarks = remarks | dict.fromkeys(mixed, "values of several types are read as texts")
        even = [column for column in self.columns if column not in mixed]
        self._types = common_types(parts, even, ())
        self.types = {key: kind for part in reversed(parts) for key, kind in part.types.items()} | self._types

    def _mixed(self, parts: Sequence[Part]) -> set[str]:
        """Return the columns of several types that can be read as texts."""
        mixed = set()
        for column in self.columns:
            kinds = list({part.types[column] for part in parts if column in part.types})
            valued = [kind for kind in kinds if not pa.types.is_null(kind)]
            nested = any(is_list(kind) or pa.types.is_nested(kind) for kind in valued)
            if not nested and not all(fit(valued[0], kind) for kind in valued):
                mixed.add(column)
        return mixed

    def _read(self, columns: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
        for block in self._blocks():
            found = self._columns(block)
            rows = len(next(iter(found.values())).array)
            arrays = [
                to_plain_types(found[column].array) if column in found else pa.nulls(rows, self.types[column])
                for column in columns
            ]
            yield cast_batch(pa.RecordBatch.from_arrays(arrays, names=list(columns)), self._types)

    def _blocks(self) -> Iterator[_Block]:
        try:
            with open_text(self._path) as file:
                left, line = b"", 1
                while data := file.read(_BLOCK_BYTES):
                    left = (left + data).removeprefix(_MARK) if line == 1 else left + data
                    whole, end, rest = left.rpartition(b"\n")
                    if not end and len(left) > MOST_ROW_BYTES:
                        raise DataError(
                            f"{self._path} has a row of more than {MOST_ROW_BYTES >> 20} MB, which is the limit: line "
                            f"{line}; shorten it, or write a row per line."
                        )
                    left = rest
                    if whole.strip():
                        yield _Block(whole, line)
                    line += whole.count(b"\n") + len(end)
                if left.strip():
                    yield _Block(left, line)
        except UnicodeDecodeError as error:
            raise not_decoded(self._path, error) from None
        except (OSError, EOFError) as error:
            raise DataError(
                f"{self._path} cannot be read: {' '.join(str(error).split())}; write it again."
            ) from None

    def _columns(self, block: _Block) -> dict[str, ObjectColumn]:
        table = _read_quickly(block.lines)
        if table is None:
            return _object_columns(self._rows(block))
        names = table.column_names
        arrays = [column.combine_chunks() for column in table.columns]
        return {name: ObjectColumn(array) for name, array in zip(names, arrays, strict=True)}

    def _rows(self, block: _Block) -> list[dict[str, Any]]:
        rows = []
        for number, line in enumerate(block.lines.split(b"\n"), start=block.first_line):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise _no_object(f"Line {number} of {self._path}", line, str(error)) from None
            if not isinstance(row, dict):
                raise _no_object(f"Line {number} of {self._path}", line, f"it is a {type(row).__name__}")
            rows.append(row)
        return rows


def json_table(path: Path) -> Table:
    """Return the table of a JSON file: an array of objects, an object with such an array as `rows`, or JSON lines."""
    if path.stat().st_size == 0:
        raise no_rows(str(path))
    try:
        with open_text(path) as file:
            if _is_lines(file.readline(MOST_ROW_BYTES)):
                return JsonLinesTable(path)
        with open_text(path) as file:
            found = json.loads(file.read().removeprefix(_MARK))
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not in UTF-8 ({error.reason}); convert it with iconv.") from None
    except (OSError, EOFError, ValueError, RecursionError) as error:
        raise DataError(f"{path} is not JSON ({' '.join(str(error).split())}); write it again.") from None
    rows = found.get("rows") if isinstance(found, dict) else found
    if not isinstance(rows, list):
        raise DataError(
            f"{path} holds a JSON {type(found).__name__} that is not an array of rows; write it as pandas does with "
            "orient='records', or write a row per line."
        )
    if not rows:
        raise no_rows(str(path))
    for place, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise _no_object(
                f"Row {place} of {path}", json.dumps(row).encode(), f"it is a {type(row).__name__}"
            )
    return FrameTable(_object_columns(rows), name=str(path))


def _is_lines(first: bytes) -> bool:
    """Return True if the first line of a file is a row."""
    try:
        row = json.loads(first.removeprefix(_MARK))
    except (ValueError, RecursionError):
        return False
    return isinstance(row, dict) and not isinstance(row.get("rows"), list)


def _no_object(place: str, line: bytes, reason: str) -> DataError:
    shown = line.strip()[:60].decode(errors="replace")
    return DataError(
        f"{place} is not a JSON object ({' '.join(reason.split())}): '{shown}'; write {{\"column\": value}}."
    )


def _object_columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, ObjectColumn]:
    names = dict.fromkeys(itertools.chain.from_iterable(rows))
    return {name: object_column([row.get(name) for row in rows]) for name in names}


def _read_quickly(lines: bytes) -> pa.Table | None:
    """Return the lines as read by Arrow, or None if it cannot read them without a loss."""
    options = pa.json.ReadOptions(block_size=len(lines) + 1)
    try:
        table = pa.json.read_json(pa.BufferReader(lines), read_options=options)
        # It reads some texts as times and loses their notation.
        texts = [field.with_type(_with_texts(field.type)) for field in table.schema if _has_times(field.type)]
        if texts:
            parse = pa.json.ParseOptions(explicit_schema=pa.schema(texts))
            table = pa.json.read_json(pa.BufferReader(lines), read_options=options, parse_options=parse)
        table.validate(full=True)
    except pa.ArrowException:
        return None
    if not table.num_columns or any(_has_large_doubles(column) for column in table.columns):
        return None
    return table


def _has_times(kind: pa.DataType) -> bool:
    return pa.types.is_timestamp(kind) or (is_list(kind) and _has_times(kind.value_type))


def _with_texts(kind: pa.DataType) -> pa.DataType:
    return pa.list_(_with_texts(kind.value_type)) if is_list(kind) else pa.string()


def _has_large_doubles(column: pa.ChunkedArray) -> bool:
    """Return True if numbers were read as doubles so large that integers are not exact."""
    if is_list(column.type):
        return _has_large_doubles(pa.chunked_array([pc.list_flatten(column.combine_chunks())]))
    if not pa.types.is_floating(column.type):
        return False
    most = pc.max(pc.abs(column)).as_py()
    return most is not None and most >= _EXACT
