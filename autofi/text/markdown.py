"""Parts of Markdown: tables, numbers, escaped names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any


def count(value: float | None) -> str:
    """Return a number of things with commas; "" for None and NaN."""
    return "" if value is None or value != value else f"{int(value):,}"


def figure(value: float | None, digits: int = 4) -> str:
    """Return a metric as text; "" for None."""
    return "" if value is None else f"{value:.{digits}f}"


def table(heading: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a Markdown table; every cell is put on one line, and its pipes are escaped unless they are already."""

    def line(cells: Iterable[Any]) -> str:
        return "| " + " | ".join(_PIPE.sub(r"\|", " ".join(str(cell).split())) for cell in cells) + " |"

    return "\n".join([line(heading), line("---" for _ in heading), *(line(row) for row in rows)])


def two_columns(rows: Sequence[tuple[str, str]]) -> str:
    """Return a table without a heading from escaped cells; `table` would escape their pipes a second time."""
    if not rows:
        return ""
    return "\n".join([table(("", ""), ()), *(f"| {name} | {value} |" for name, value in rows)])


_PIPE = re.compile(r"(?<!\\)\|")


def escaped(text: object) -> str:
    """Return text on one line, escaped so that none of it acts as Markdown or HTML."""
    return _MARKDOWN.sub(r"\\\1", " ".join(str(text).split()))


_MARKDOWN = re.compile(r"([\\`*_\[\]<>|~#$&])")
