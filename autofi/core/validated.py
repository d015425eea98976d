"""Bounds of settings as annotations of dataclasses, and a reader that checks settings of a file against them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from autofi.errors import SearchSpaceError, nearest

T = TypeVar("T")

#: A number of layers, heads, columns, rows or epochs.
Count = Annotated[int, Field(ge=1)]
#: A number of layers, heads or columns that may be 0.
CountOrNone = Annotated[int, Field(ge=0)]
#: Widths of hidden layers, at least one.
Widths = Annotated[tuple[Count, ...], Field(min_length=1)]
#: A share that is left out while training, such as a dropout rate.
Share = Annotated[float, Field(ge=0, lt=1)]
#: A finite number above 0.
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
#: A finite number of at least 0.
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Strict(BaseModel):
    """A part of a settings file: unknown keys are refused, and values do not change."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def read_settings(kind: type[T], given: Mapping[str, Any], owner: str) -> T:
    """Return a dataclass with these settings and defaults for the others.

    Args:
        kind: The dataclass.
        given: Settings by name.
        owner: The owner of the settings, with which an error begins.

    Raises:
        SearchSpaceError: A setting is unknown or out of its bounds.
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
    """Return pydantic's reader of a dataclass; it is cached, as building it takes longer than using it."""
    return TypeAdapter(kind)


#: Own words by pydantic's type of an error, where its words are of another trade.
_RULES = {
    "extra_forbidden": "there is no such key; correct or remove it",
    "missing": "it is missing; add it",
}


@dataclass(frozen=True)
class Fault:
    """The first thing that is wrong with a document of settings.

    Attributes:
        key: Dotted path of the setting; empty for the document itself.
        rule: The rule that its value breaks.
        found: The value as Python writes it, cut short.
    """

    key: str
    rule: str
    found: str


def first_fault(error: ValidationError, document: Any) -> Fault:
    """Return the first fault of a document, without the names of union members that pydantic puts among its keys."""
    first = error.errors(include_url=False)[0]
    missing = first["type"] == "missing"
    return Fault(
        key=".".join(_keys(first["loc"], document, missing=missing)),
        rule=_RULES.get(first["type"]) or first["msg"].removeprefix("Value error, "),
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
