"""Operators and streams by name: registering a class is enough for it to be listed, searched, tested, documented."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from autofi.core.registry import Registry, named
from autofi.errors import SearchSpaceError
from autofi.operators.base import Candidate, Operator
from autofi.operators.streams import Stream

_REGISTRY: Registry[Candidate] = Registry("candidate", "autofi.operators", SearchSpaceError)
Registered = TypeVar("Registered", bound=type[Candidate])


def register(operator: Registered) -> Registered:
    """Class decorator: make the operator known under its `name`; a name taken twice is an error."""
    _REGISTRY.add(operator)
    return operator


def operators() -> dict[str, type[Operator]]:
    """Every registered operator of a field or a pair by name, in alphabetical order."""
    return {name: found for name, found in _REGISTRY.all().items() if issubclass(found, Operator)}


def streams() -> dict[str, type[Stream]]:
    """Every registered stream by name, in alphabetical order."""
    return {name: found for name, found in _REGISTRY.all().items() if issubclass(found, Stream)}


def vector_operators() -> frozenset[str]:
    """Names of the operators that give a field's vector, which streams read."""
    return frozenset(name for name, operator in operators().items() if operator.vector)


def coded_operators() -> frozenset[str]:
    """Names of the operators that select the codes of values, which a stream may look up in a table of its own."""
    return frozenset(name for name, operator in operators().items() if operator.coded)


def get_operator(name: str) -> type[Operator]:
    """The class of that name; an unknown one raises `SearchSpaceError` with the nearest."""
    return named("operator", operators(), name, SearchSpaceError)


def get_stream(name: str) -> type[Stream]:
    """The class of that name; an unknown one raises `SearchSpaceError` with the nearest."""
    return named("stream", streams(), name, SearchSpaceError)


def choices_of(forms: Iterable[str]) -> set[str]:
    """The choices that operators are forms of: of a pair's option {"memorize"}, {"factorize"}, both, or none."""
    return {get_operator(form).choice for form in forms}
