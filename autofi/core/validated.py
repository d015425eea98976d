"""Bounds of settings, as annotations of the dataclasses that hold them; and how settings read from a file meet them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from autofi.errors import SearchSpaceError, nearest

T = TypeVar("T")

#: A number of layers, heads, columns, rows, epochs.
Count = Annotated[int, Field(ge=1)]
#: The same, where there may be none.
CountOrNone = Annotated[int, Field(ge=0)]
#: Widths of hidden layers, at least one.
Widths = Annotated[tuple[Count, ...], Field(min_length=1)]
#: A share of what is left out while training.
Share = Annotated[float, Field(ge=0, lt=1)]
#: A finite number above 0.
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
#: A finite number from 0 on.
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Strict(BaseModel):
    """A part of a file of settings: no other keys, no changes."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def read_settings(kind: type[T], given: Mapping[str, Any], owner: str) -> T:
    """The dataclass with these settings, the others at their defaults.

    owner   who has them, as an error begins: raises SearchSpaceError for one that is unknown or out of its bounds
    """
    known = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]
    for key in given:
        if key not in known:
            way_out = nearest(key, known) if known else "it has none."
            raise SearchSpaceError(f"{owner} has no setting '{key}': {way_out}")
    try:
        found: T = _reader(kind).validate_python(dict(given))  # type: ignore[arg-type]
    except ValidationError as error:
        fault = first_fault(error, given)
        raise SearchSpaceError(
            f"{owner}, setting '{fault.key}': {fault.rule}; found {fault.found}."
        ) from error
    return found


@cache
def _reader(kind: type[T]) -> TypeAdapter[T]:
    """Made once: pydantic takes longer to make it than to read with it."""
    return TypeAdapter(kind)


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
