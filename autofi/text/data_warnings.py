"""The warnings of the data checks as lines of text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

#: The most warnings that are shown in a terminal; the report has all.
TOLD = 5


def warning_lines(warnings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the first TOLD of `warnings` as lines, then the number of the others."""
    lines = [f"Warning: {warning['sentence']}" for warning in warnings[:TOLD]]
    more = len(warnings) - len(lines)
    return [*lines, f"Warning: and {more} more in the report."] if more else lines
