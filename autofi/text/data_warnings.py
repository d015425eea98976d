"""What the checks of the data warn of, in lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

#: Warnings that are told where there is little room; the report has all.
TOLD = 5


def warning_lines(warnings: Sequence[Mapping[str, Any]]) -> list[str]:
    """The first TOLD of `warnings` as `Study.summary()` lists them, then how many more there are."""
    lines = [f"Warning: {warning['sentence']}" for warning in warnings[:TOLD]]
    more = len(warnings) - len(lines)
    return [*lines, f"Warning: and {more} more in the report."] if more else lines
