"""Keys of JSON rows that are not fields of the model: reported, and refused where they look like a missing field."""

from __future__ import annotations

import difflib
import re
from typing import Any

from autofi.data.schema import Schema
from autofi.errors import nearest
from autofi.serving.refusal import RequestError, short

#: The most keys that an answer reports, and that are compared with the fields' names.
MOST_KEYS = 100
#: From this similarity (of 1) on, a key counts as a mistyped name.
_ALIKE = 0.75
_SEPARATORS = re.compile(r"[\s_.\-]+")
_DIGITS = re.compile(r"\d+")


def ignored_keys(rows: list[dict[str, Any]], schema: Schema, *, strict: bool) -> list[str]:
    """Return the keys of the rows that are not fields, the first 100 in order of appearance.

    Raises:
        RequestError: A row lacks a field and has a key similar to its name; with `strict`, a row has any such
            key.
    """
    known = set(schema.names)
    first_row: dict[str, int] = {}
    for number, row in enumerate(rows, start=1):
        if not row.keys() <= known:
            for key in row:
                if key not in known:
                    first_row.setdefault(key, number)
    keys = list(first_row)[:MOST_KEYS]
    if strict and keys:
        raise RequestError(
            400,
            f"Row {first_row[keys[0]]} has '{short(keys[0])}', which is not a field of the model; "
            f"{nearest(short(keys[0]), schema.names)}",
        )
    for key in keys:
        for name in schema.names:
            if not _mistyped(key, name):
                continue
            for number, row in enumerate(rows, start=1):
                if key in row and name not in row:
                    raise RequestError(
                        400,
                        f"Row {number} has '{short(key)}' and no '{name}': did you mean '{name}'? If its value is "
                        f"unknown, send null for '{name}', or leave '{short(key)}' out.",
                    )
    return [short(key) for key in keys]


def _mistyped(key: str, name: str) -> bool:
    """Return True where a key is similar to a name, but not where only digits differ (`price1` and `price2`)."""
    if len(key) > 2 * len(name) + 2:
        return False
    typed, meant = (_SEPARATORS.sub("", text.casefold()) for text in (key, name))
    if typed != meant and _DIGITS.sub("", typed) == _DIGITS.sub("", meant):
        return False
    if sorted(typed) == sorted(meant):  # letters in another order
        return True
    matcher = difflib.SequenceMatcher(None, typed, meant)
    return matcher.quick_ratio() >= _ALIKE and matcher.ratio() >= _ALIKE
