"""Choices of a space in place of a value: a list of values, or a range."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag, model_validator

from autofi.core.validated import Strict
from autofi.errors import SearchSpaceError


class FloatRange(Strict):
    """A number between two bounds; `default` is tried first."""

    low: float
    high: float
    log: bool = False
    default: float | None = None

    @model_validator(mode="after")
    def _ordered(self) -> FloatRange:
        if not self.low < self.high or (self.log and self.low <= 0):
            raise ValueError(
                f"a range goes from low {self.low} to high {self.high}; set low < high, and low > 0 on a log scale"
            )
        if self.default is not None and not self.low <= self.default <= self.high:
            raise ValueError(
                f"the default {self.default} is not in the range from {self.low} to {self.high}; change one of them"
            )
        return self


class Choices(Strict):
    """A choice among listed values; the first is tried first."""

    choices: tuple[Any, ...] = Field(min_length=1)


def kind_of(value: Any) -> str:
    """Return the kind that a value of a file is read as, so that an error is about that kind only."""
    if isinstance(value, Choices) or (isinstance(value, Mapping) and "choices" in value):
        return "choices"
    if isinstance(value, FloatRange | Mapping):
        return "keys"
    return "list" if isinstance(value, list | tuple) else "value"


#: A fixed value, or the choices for it.
Choosable = Annotated[
    Annotated[FloatRange, Tag("keys")]
    | Annotated[Choices, Tag("choices")]
    | Annotated[float | int | str | bool, Tag("value")]
    | Annotated[tuple[int, ...], Tag("list")],
    Discriminator(kind_of),
]


def default_of(value: FloatRange | Choices) -> Any:
    """Return the value that is tried first."""
    if isinstance(value, Choices):
        return value.choices[0]
    if value.default is not None:
        return value.default
    return (value.low * value.high) ** 0.5 if value.log else (value.low + value.high) / 2


def label(value: Any) -> Any:
    """Return a scalar for Optuna: 256-128 for a list of widths, fm+cross_network(layers=2) for a set of streams."""
    if isinstance(value, Mapping):
        return "+".join(name + _settings(settings) for name, settings in value.items()) or "none"
    return "-".join(map(str, value)) if isinstance(value, list | tuple) else value


def offers(offered: FloatRange | Choices, value: Any) -> bool:
    """Return True if a value is one of the choices."""
    if isinstance(offered, Choices):
        return label(value) in [label(choice) for choice in offered.choices]
    return isinstance(value, float | int) and offered.low <= value <= offered.high


def values_of(offered: Choosable) -> tuple[Any, ...]:
    """Return every possible value; for a range its ends."""
    if isinstance(offered, FloatRange):
        return offered.low, offered.high
    return offered.choices if isinstance(offered, Choices) else (offered,)


def read_each(offered: Choosable, read: Callable[[Any], Any], key: str) -> Any:
    """Return the choices with every value replaced by `read(value)`, which raises for a wrong value.

    Raises:
        SearchSpaceError: A range stands where `read` takes no fractions, which a search would propose.
    """
    values = [_as_written(value, read(value)) for value in values_of(offered)]
    if isinstance(offered, FloatRange):
        if {*map(type, values)} != {float}:
            raise SearchSpaceError(
                f"'{key}' has the range {offered.low:g} to {offered.high:g} but takes no fractions; "
                "list its values as {choices: [...]}."
            )
        return offered
    return Choices(choices=tuple(values)) if isinstance(offered, Choices) else values[0]


def _as_written(given: Any, value: Any) -> Any:
    """Return the value; a whole number for a fraction stays whole, as the fingerprints of studies have it."""
    return given if type(given) is int and type(value) is float else value


def _settings(settings: Mapping[str, Any]) -> str:
    return f"({', '.join(f'{key}={label(value)}' for key, value in settings.items())})" if settings else ""
