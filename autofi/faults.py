"""The first thing that pydantic finds wrong with a document, as errors tell it: where, by what rule, what is there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError


@dataclass(frozen=True)
class Fault:
    """`key` is dotted, and empty for the document itself; `found` is what Python calls the value, cut short."""

    key: str
    rule: str
    found: str


def first_fault(error: ValidationError, document: Any) -> Fault:
    """What is wrong with a document, by the keys that it has itself: pydantic names members of unions among them."""
    first = error.errors(include_url=False)[0]
    missing = first["type"] == "missing"
    return Fault(
        key=".".join(_keys(first["loc"], document, missing=missing)),
        rule=first["msg"].removeprefix("Value error, "),
        found=f"{first['input']!r:.80}",
    )


def _keys(place: tuple[int | str, ...], document: Any, *, missing: bool) -> Iterator[str]:
    for number, part in enumerate(place, start=1):
        try:
            document = document[part]
        except (LookupError, TypeError):
            if not (missing and number == len(place)):
                continue
        yield str(part)
