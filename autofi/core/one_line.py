"""Foreign texts, such as names of files and columns, in one line of a terminal or log."""

from __future__ import annotations


def one_line(text: str) -> str:
    """Return the text without line breaks, and with control characters escaped."""
    line = " ".join(text.split())
    return (
        line
        if line.isprintable()
        else "".join(mark if mark.isprintable() else ascii(mark)[1:-1] for mark in line)
    )
