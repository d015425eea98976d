"""The blocks that sections of a page consist of; a template decides how they look."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import plotly.graph_objects as go

from autofi.errors import NothingToShowError

# 0.8281 ± 0.0026, 0.8195 to 0.8368, 7.1 MB, 13%, 12 of 40
_NUMBER = re.compile(r"[-+−]?[\d.,]+(?:%| ?[kMGT]?B| [kMGTu]?s?)?(?: (?:±|to|of) [-+−]?[\d.,]+)?")


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str
    kind: str = field(default="text", init=False)


@dataclass(frozen=True)
class Notice:
    """A paragraph that stands out; `level` is `warning`, `good` or `quiet`."""

    text: str
    level: str = "quiet"
    kind: str = field(default="notice", init=False)


@dataclass(frozen=True)
class Code:
    """Commands or files, to be copied."""

    text: str
    kind: str = field(default="code", init=False)


@dataclass(frozen=True)
class Table:
    """Rows of texts."""

    heading: Sequence[str]
    rows: Sequence[Sequence[str]]
    kind: str = field(default="table", init=False)

    @property
    def numeric(self) -> list[bool]:
        """Per column, True where every text begins like a number."""
        columns = zip(*self.rows, strict=True)
        return [all(_NUMBER.fullmatch(cell) for cell in column if cell) for column in columns]


@dataclass(frozen=True)
class Drawing:
    """A figure under the name that it has in `StudyFigures`; a `half` has another beside it on a wide page."""

    name: str
    figure: go.Figure
    caption: str = ""
    half: bool = False
    kind: str = field(default="drawing", init=False)


Block = Text | Notice | Code | Table | Drawing


@dataclass(frozen=True)
class Section:
    """A heading and what is below it; `anchor` is its place in the page's address."""

    anchor: str
    title: str
    blocks: Sequence[Block]


def drawing(
    name: str, draw: Callable[[], go.Figure], caption: str = "", *, half: bool = False
) -> Drawing | Notice:
    """Return a figure, or a notice that says why there is none."""
    try:
        return Drawing(name, draw(), caption, half)
    except NothingToShowError as reason:
        return Notice(str(reason))
