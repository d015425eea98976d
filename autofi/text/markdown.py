"""Parts of Markdown: tables, numbers, escaped names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any


def count(value: float | None) -> str:
    """A number of things with commas, or nothing."""
    return "" if value is None or value != value else f"{int(value):,}"


def figure(value: float | None, digits: int = 4) -> str:
    """A measure, or nothing."""
    return "" if value is None else f"{value:.{digits}f}"


def table(heading: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table; a cell is one line, and its pipes are escaped where they are not yet."""

    def line(cells: Iterable[Any]) -> str:
        return "| " + " | ".join(_PIPE.sub(r"\|", " ".join(str(cell).split())) for cell in cells) + " |"

    return "\n".join([line(heading), line("---" for _ in heading), *(line(row) for row in rows)])


def two_columns(rows: Sequence[tuple[str, str]]) -> str:
    """A table without a heading, of cells that are escaped already: `table` would escape their pipes once more."""
    if not rows:
        return ""
    return "\n".join([table(("", ""), ()), *(f"| {name} | {value} |" for name, value in rows)])


_PIPE = re.compile(r"(?<!\\)\|")


def escaped(text: object) -> str:
    """Text as it is, on one line, whatever Markdown or HTML it looks like."""
    return _MARKDOWN.sub(r"\\\1", " ".join(str(text).split()))


_MARKDOWN = re.compile(r"([\\`*_\[\]<>|~#$&])")
