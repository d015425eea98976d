"""The delimiter and the header of delimited text, found from its first rows."""

from __future__ import annotations

import csv
import io
import itertools
import re
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

from autofi.errors import DataError, short
from autofi.readers.table import check_distinct, no_rows

#: Delimiters that are tried, and names of delimiters in options.
DELIMITERS = ",\t;|"
_NAMED_DELIMITERS = {"tab": "\t", "\\t": "\t", "space": " ", "comma": ",", "semicolon": ";", "pipe": "|"}
_SAMPLE_ROWS = 1000
_SAMPLE_CELLS = 1 << 18
_FEWEST_ROWS = 20
#: First cells that are new to their columns are names if the chance of that for values is below this.
_UNLIKELY = 0.01
_LONGEST_NAME = 100
_MOST_WORDS = 6
_MISSING_MARKS = {"na", "n/a", "nan", "null", "none", "\\n", "?", "-"}
_NAME = re.compile(r"[^\W\d][\w .:/()%#@\-\[\]]*")
_WIDER_NAME = re.compile(r"[^\d\s][^\n\r\t\"{}]*")
_INTEGER_NAME = re.compile(r"0|[1-9]\d{0,8}")
_NUMBER = re.compile(r"[+-]?(?:\d[\d.,' \u00a0\u202f]*|[.,]\d+)(?:e[+-]?\d+)?\s?%?|[+-]?inf(?:inity)?", re.I)
_TIME = re.compile(r"\d{4}[-/]\d\d?[-/]\d\d?.*|\d\d?[./-]\d\d?[./-]\d{4}.*|\d\d?:\d\d(?::\d\d.*)?", re.DOTALL)
_BOOLEANS = {"true", "false", "yes", "no", "t", "f", "y", "n"}
_DECIMAL_COMMA = re.compile(r"[+-]?\d+(?:[. '\u00a0\u202f]\d{3})*,\d+")
_EXCEL_DELIMITER = re.compile(r'"?sep=(.)"?', re.I)
_LINE_END = re.compile(r"\r\n|\r|\n")

Rows: TypeAlias = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Layout:
    """The layout of delimited text.

    Attributes:
        delimiter: The character between cells.
        columns: Names of the columns.
        header_lines: Lines before the first row of values.
        unnamed: Columns before the first name in the header, which is how an index is written.
        note: A remark for the user about a guess that is not obvious, or None.
    """

    delimiter: str
    columns: tuple[str, ...]
    header_lines: int
    unnamed: tuple[str, ...] = ()
    note: str | None = None


def parse_delimiter(text: str) -> str:
    """Return the character that `--delimiter` names: itself, or by a name such as `tab`.

    Raises:
        DataError: The text names no single ASCII character.
    """
    character = _NAMED_DELIMITERS.get(text.lower(), text)
    if len(character) != 1 or not character.isascii() or character in '"\r\n\0':
        raise DataError(
            f"The delimiter {text!r} is not a single ASCII character (quotes and line ends excluded) or the name of "
            "one; write ';' or tab, say."
        )
    return character


def find_layout(
    sample: str,
    name: str,
    *,
    whole: bool,
    header: bool | None,
    delimiter: str | None,
    names: Sequence[str] = (),
) -> Layout:
    """Return the layout of delimited text, found from its first lines.

    Args:
        sample: The first whole lines.
        name: The name of the table, for messages.
        whole: True if the sample is the whole text.
        header: True if the first row holds the names; None to find out.
        delimiter: The character between cells; None to find out.
        names: Columns that the table is expected to have: a first row with at least half of them is the header.

    Raises:
        DataError: There are no rows, or a name comes twice.
    """
    text, skipped, said = _without_excel_line(sample)
    delimiter = delimiter or said
    if delimiter is not None:
        parsed = {delimiter: _parsed(text, delimiter, whole=whole)}
    else:
        parsed = _parsed_by_all(text, whole=whole)
        delimiter = _choose({each: rows for each, (rows, _) in parsed.items()}, names)
    rows, first_lines = parsed[delimiter]
    if not rows:
        raise no_rows(name)
    first, below = [cell.strip() for cell in rows[0]], rows[1:]
    after = {len(row) for row in below}
    if len(first) == 1 and len(after) == 1 and (width := after.pop()) > 1:
        raise DataError(
            f"Line {skipped + first_lines} of {name} has one cell and the lines after it have {width}, divided by "
            f"{delimiter!r}: '{first[0][:60]}'; remove it if it is a title, or pass another --delimiter."
        )
    note = None
    if header is None:
        header, note = _has_header(first, below, names)
    if not header:
        return Layout(delimiter, tuple(f"c{i}" for i in range(len(first))), skipped, note=note)
    if not below and whole:
        raise no_rows(name)
    columns = _columns(first)
    check_distinct(columns, name, way_out="rename one, or pass --no-header if the file has no header")
    leading = sum(1 for _ in itertools.takewhile(lambda cell: not cell, first))
    unnamed = columns[:leading] if leading < len(first) else ()
    return Layout(delimiter, columns, skipped + first_lines, unnamed, note)


@contextmanager
def long_cells() -> Iterator[None]:
    """Let Python's csv module read cells of any length in the block; its limit is one of the whole process."""
    with _LIMIT_LOCK:
        before = csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
        try:
            yield
        finally:
            csv.field_size_limit(before)


_LIMIT_LOCK = threading.Lock()


def _without_excel_line(sample: str) -> tuple[str, int, str | None]:
    """Return the text after a line `sep=;` for Excel, the number of lines skipped, and the delimiter it names."""
    end = _LINE_END.search(sample)
    found = _EXCEL_DELIMITER.fullmatch(sample[: end.start()].strip(" ") if end else sample)
    if found is None or end is None:
        return sample, 0, None
    return sample[end.end() :], 1, found[1]


def _parsed(text: str, delimiter: str, *, whole: bool) -> tuple[Rows, int]:
    """Return the first rows without blank lines, and the number of lines up to the end of the first row."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    rows: list[list[str]] = []
    first_lines = cells = 0
    with long_cells():
        for row in reader:
            if not row:
                continue
            if not rows:
                first_lines = reader.line_num
            rows.append(row)
            cells += len(row)
            if len(rows) == _SAMPLE_ROWS or (cells > _SAMPLE_CELLS and len(rows) > _FEWEST_ROWS):
                return rows, first_lines
    if not whole and len(rows) > 1:
        rows.pop()  # the last row may end in the middle of a quoted cell
    return rows, first_lines


def _parsed_by_all(text: str, *, whole: bool) -> dict[str, tuple[Rows, int]]:
    """Return `_parsed` by every delimiter; all that the text lacks share one result."""
    parsed: dict[str, tuple[Rows, int]] = {}
    absent = None
    for each in DELIMITERS:
        if each in text:
            parsed[each] = _parsed(text, each, whole=whole)
        else:
            parsed[each] = absent = absent or _parsed(text, each, whole=whole)
    return parsed


def _choose(parsed: Mapping[str, Rows], names: Sequence[str]) -> str:
    """Return the delimiter that divides most rows into the same number of cells, more than one.

    Of several, the tab wins, then a semicolon over a comma that only stands inside numbers (`1,5;2,5`), then the
    delimiter that makes most cells.
    """
    if names:
        shares = {each: _share_of_names(rows, names) for each, rows in parsed.items()}
        best = max(shares, key=lambda each: shares[each])
        if shares[best] >= 0.5:
            return best
    widths, even = {}, {}
    for each, rows in parsed.items():
        counts = Counter(len(row) for row in rows)
        (width, alike) = max(counts.items(), key=lambda item: (item[1], item[0])) if counts else (1, 0)
        # If the first line is one name, the others may hold lists of values.
        lone = bool(rows) and len(rows[0]) == 1 and (alike < len(rows) - 1 or each == "|")
        if width > 1 and not lone:
            widths[each], even[each] = width, alike / len(rows)
    if not widths:
        return ","
    best_share = max(even.values())
    leaders = [each for each in DELIMITERS if even.get(each) == best_share]
    if "\t" in leaders:
        return "\t"
    if ";" in leaders and "," in leaders and _only_decimal_commas(parsed[";"]):
        return ";"
    return max(leaders, key=lambda each: widths[each])


def _share_of_names(rows: Rows, names: Sequence[str]) -> float:
    """Return the share of the names that stand in the first row."""
    if not rows:
        return 0.0
    found = set(_columns([cell.strip() for cell in rows[0]]))
    return sum(name in found for name in names) / len(names)


def _only_decimal_commas(rows: Rows) -> bool:
    cells = [cell.strip() for row in rows for cell in row if "," in cell]
    return all(_DECIMAL_COMMA.fullmatch(cell) for cell in cells)


def _columns(first: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the header; a column without one is called c0, c1, ... by position."""
    taken = set(first)
    columns = []
    for place, cell in enumerate(first):
        column = cell or f"c{place}"
        while not cell and column in taken:
            column += "_"
        columns.append(column)
    return tuple(columns)


def _has_header(first: Sequence[str], below: Rows, names: Sequence[str]) -> tuple[bool, str | None]:
    """Return True if the first row holds the names, and a note if it does not look like it."""
    columns = _by_column(first, below)
    if names:
        if _share_of_names([first], names) >= 0.5:
            return True, None
        if _are_positions(names, len(first)):
            # The model was trained without a header, but a name above numbers shows that this file has one.
            return _names_a_typed_column(first, columns), None
    integers = [int(cell) for cell in first if _INTEGER_NAME.fullmatch(cell)]
    valued = any(_is_value(cell, values) for cell, values in zip(first, columns, strict=True))
    if integers or valued:
        found = _names_values(first, columns) or (
            not valued and _has_integer_names(first, integers, columns, len(below))
        )
        shown = ", ".join(map(short, first[:5])) + (", ..." if len(first) > 5 else "")
        note = f"the first row ({shown}) is read as the header; --no-header reads it as values"
        return found, note if found else None
    marked = any(cell.lower() in _MISSING_MARKS for cell in first)
    if not below:
        return not marked and all(_NAME.fullmatch(cell) for cell in first), None
    if _names_a_typed_column(first, columns):
        return True, None
    return _are_new(first, columns) or (not marked and _look_like_names(first, columns)), None


def _by_column(first: Sequence[str], below: Rows) -> list[list[str]]:
    """Return the cells below each cell of the first row, without missing ones."""
    most = max(_FEWEST_ROWS, _SAMPLE_CELLS // max(len(first), 1))
    rows = below[:most]
    columns = [[row[i].strip() for row in rows if i < len(row)] for i in range(len(first))]
    return [[cell for cell in column if cell and cell.lower() not in _MISSING_MARKS] for column in columns]


def _are_positions(names: Sequence[str], width: int) -> bool:
    positions = {f"c{place}" for place in range(width)}
    return all(name in positions for name in names)


def _is_value(cell: str, values: Sequence[str]) -> bool:
    """Return True for a number with a fraction, and for a time or boolean unless only other values stand below it."""
    if _TIME.fullmatch(cell):
        return not values or any(map(_TIME.fullmatch, values))
    if cell.lower() in ("true", "false"):
        return not values or any(value.lower() in _BOOLEANS for value in values)
    return _NUMBER.fullmatch(cell) is not None and _INTEGER_NAME.fullmatch(cell) is None


def _is_typed(cell: str) -> bool:
    return (
        _NUMBER.fullmatch(cell) is not None or _TIME.fullmatch(cell) is not None or cell.lower() in _BOOLEANS
    )


def _names_values(first: Sequence[str], columns: Sequence[Sequence[str]]) -> bool:
    """Return True if names in a first row with values stand above so many numbers that the row is a header."""
    cells = [cell for cell in first if cell]
    named = [cell if _WIDER_NAME.fullmatch(cell) else "" for cell in first]
    return len(set(cells)) == len(cells) and _names_a_typed_column(named, columns, fewest=_FEWEST_ROWS)


def _names_a_typed_column(first: Sequence[str], columns: Sequence[Sequence[str]], *, fewest: int = 1) -> bool:
    """Return True if a text stands above at least `fewest` values that are all numbers, times or booleans."""
    for cell, values in zip(first, columns, strict=True):
        named = cell and not _is_typed(cell) and cell.lower() not in _MISSING_MARKS
        if cell.lower() in _BOOLEANS:
            named = not any(value.lower() in _BOOLEANS for value in values)
        if named and len(values) >= fewest and cell not in values and all(map(_is_typed, values)):
            return True
    return False


def _has_integer_names(
    first: Sequence[str], integers: Sequence[int], columns: Sequence[Sequence[str]], rows: int
) -> bool:
    """Return True if whole numbers in the first row are names, as pandas writes for a frame without names.

    They are if they rise from left to right and another name stands above numbers. They are, too, if all cells count
    from 0, and there are too many of them, or too much text below them, for chance.
    """
    if len(set(integers)) < len(integers):
        return False
    counted = integers == list(range(len(integers)))
    if any(cell and not _INTEGER_NAME.fullmatch(cell) for cell in first):
        if not counted and (integers != sorted(integers) or rows < 3):
            return False
        named = [cell if _WIDER_NAME.fullmatch(cell) else "" for cell in first]
        return _names_a_typed_column(named, columns)
    if not counted:
        return False
    above_text = any(
        cell and values and not any(map(_is_typed, values))
        for cell, values in zip(first, columns, strict=True)
    )
    if len(integers) > 3 or (len(integers) > 1 and above_text):
        return True
    pairs = zip(first, columns, strict=True)
    return len(integers) == 3 and rows >= _FEWEST_ROWS and not any(cell in values for cell, values in pairs)


def _are_new(first: Sequence[str], columns: Sequence[Sequence[str]]) -> bool:
    """Return True if the first cells come again nowhere, although the values of their columns do.

    By Good and Turing, the chance that another value is a new one is the share of values that came once.
    """
    chance = 1.0
    for cell, values in zip(first, columns, strict=True):
        if not values:
            continue
        if not cell or len(cell) > _LONGEST_NAME:
            return False
        counts = Counter(values)
        if cell in counts:
            return False
        once = sum(1 for count in counts.values() if count == 1)
        chance *= (once + 1) / (len(values) + 1)
    return chance < _UNLIKELY


def _look_like_names(first: Sequence[str], columns: Sequence[Sequence[str]]) -> bool:
    """Return True if all cells are distinct words that neither come again nor look like the values below them."""
    leading = sum(1 for _ in itertools.takewhile(lambda cell: not cell, first))
    named = list(zip(first, columns, strict=True))[leading:]
    # A delimiter at the end of every line makes an empty column.
    named = [(cell, values) for cell, values in named if cell or values]
    cells = [cell for cell, _ in named]
    if not cells or len(set(cells)) < len(cells):
        return False
    for cell, values in named:
        if len(cell) > _LONGEST_NAME or len(cell.split()) > _MOST_WORDS:
            return False
        if _WIDER_NAME.fullmatch(cell) is None or cell in values:
            return False
        if len(values) > 1 and re.search(r"\d", cell) and {_shape(cell)} >= set(map(_shape, values)):
            return False
    return True


def _shape(cell: str) -> str:
    """Return the shape of a cell, `a9` for `user12`: ids of one kind have one shape."""
    return re.sub(r"\d+", "9", re.sub(r"[^\W\d_]+", "a", cell))
