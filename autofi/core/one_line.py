"""Texts of others, such as names of files and columns, in one line of a terminal or log."""

from __future__ import annotations


def one_line(text: str) -> str:
    """The text without ends of lines, and with escapes for what a terminal would obey."""
    line = " ".join(text.split())
    return (
        line
        if line.isprintable()
        else "".join(mark if mark.isprintable() else ascii(mark)[1:-1] for mark in line)
    )
