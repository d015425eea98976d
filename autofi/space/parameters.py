"""What a space offers in place of a value: some values to choose from, or a range."""

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
                f"a range needs low < high, and low > 0 on a log scale: found {self.low}, {self.high}"
            )
        if self.default is not None and not self.low <= self.default <= self.high:
            raise ValueError(
                f"the default of a range lies in it: found {self.default}, not from {self.low} to {self.high}"
            )
        return self


class Choices(Strict):
    """One of some values; the first is tried first."""

    choices: tuple[Any, ...] = Field(min_length=1)


def kind_of(value: Any) -> str:
    """What a value of a file is read as: an error then tells of that, not of what else it might have been."""
    if isinstance(value, Choices) or (isinstance(value, Mapping) and "choices" in value):
        return "choices"
    if isinstance(value, FloatRange | Mapping):
        return "keys"
    return "list" if isinstance(value, list | tuple) else "value"


#: A fixed value, or what to choose it from.
Choosable = Annotated[
    Annotated[FloatRange, Tag("keys")]
    | Annotated[Choices, Tag("choices")]
    | Annotated[float | int | str | bool, Tag("value")]
    | Annotated[tuple[int, ...], Tag("list")],
    Discriminator(kind_of),
]


def default_of(value: FloatRange | Choices) -> Any:
    """What is tried first."""
    if isinstance(value, Choices):
        return value.choices[0]
    if value.default is not None:
        return value.default
    return (value.low * value.high) ** 0.5 if value.log else (value.low + value.high) / 2


def label(value: Any) -> Any:
    """A scalar for Optuna: a list of widths reads 256-128, a set of streams fm+cross_network(layers=2)."""
    if isinstance(value, Mapping):
        return "+".join(name + _settings(settings) for name, settings in value.items()) or "none"
    return "-".join(map(str, value)) if isinstance(value, list | tuple) else value


def offers(offered: FloatRange | Choices, value: Any) -> bool:
    """Whether a value is one of them."""
    if isinstance(offered, Choices):
        return label(value) in [label(choice) for choice in offered.choices]
    return isinstance(value, float | int) and offered.low <= value <= offered.high


def values_of(offered: Choosable) -> tuple[Any, ...]:
    """Every value it may be; of a range its ends."""
    if isinstance(offered, FloatRange):
        return offered.low, offered.high
    return offered.choices if isinstance(offered, Choices) else (offered,)


def read_each(offered: Choosable, read: Callable[[Any], Any], key: str) -> Any:
    """The same with every value as `read` takes it, which raises for one that it does not.

    Raises SearchSpaceError for a range where fractions are not read as such: a search would propose them.
    """
    values = [_as_written(value, read(value)) for value in values_of(offered)]
    if isinstance(offered, FloatRange):
        if {*map(type, values)} != {float}:
            raise SearchSpaceError(
                f"'{key}' is no fraction, and a range is of fractions: found {offered.low:g} to {offered.high:g}; "
                "list what it may be as {choices: [...]}."
            )
        return offered
    return Choices(choices=tuple(values)) if isinstance(offered, Choices) else values[0]


def _as_written(given: Any, value: Any) -> Any:
    """The value; a whole number stays one where a fraction is asked for, as the fingerprints of studies have it."""
    return given if type(given) is int and type(value) is float else value


def _settings(settings: Mapping[str, Any]) -> str:
    return f"({', '.join(f'{key}={label(value)}' for key, value in settings.items())})" if settings else ""
