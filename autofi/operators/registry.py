"""The registry of operators and streams: a registered class is listed, searched, tested and documented."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from autofi.core.registry import Registry
from autofi.errors import SearchSpaceError
from autofi.operators.base import Candidate, Operator
from autofi.operators.streams import Stream

_REGISTRY: Registry[Candidate] = Registry(
    "operator", Candidate, "autofi.operators", "autofi.operators", SearchSpaceError
)
Registered = TypeVar("Registered", bound=type[Candidate])


def register(operator: Registered) -> Registered:
    """Class decorator: register the operator under its `name` and `aliases`.

    Raises:
        SearchSpaceError: One of them is the name or an alias of another one.
    """
    _REGISTRY.add(operator)
    return operator


def operators() -> dict[str, type[Operator]]:
    """Return every registered operator of a field or a pair by name, in alphabetical order."""
    return {name: found for name, found in _REGISTRY.all().items() if issubclass(found, Operator)}


def streams() -> dict[str, type[Stream]]:
    """Return every registered stream by name, in alphabetical order."""
    return {name: found for name, found in _REGISTRY.all().items() if issubclass(found, Stream)}


def candidates() -> dict[str, type[Operator] | type[Stream]]:
    """Return every registered operator by name in alphabetical order, then every stream."""
    return {**operators(), **streams()}


def vector_operators() -> frozenset[str]:
    """Return the names of the operators that give a field's vector, which streams read."""
    return frozenset(name for name, operator in operators().items() if operator.vector)


def coded_operators() -> frozenset[str]:
    """Return the names of the operators that select codes of values, which a stream may look up in its own table."""
    return frozenset(name for name, operator in operators().items() if operator.coded)


def get_operator(name: str) -> type[Operator]:
    """Return the class of a name or an alias; an unknown one raises `SearchSpaceError` with the nearest."""
    return _REGISTRY.find("operator", operators(), name)


def get_stream(name: str) -> type[Stream]:
    """Return the class of a name or an alias; an unknown one raises `SearchSpaceError` with the nearest."""
    return _REGISTRY.find("stream", streams(), name)


def get_candidate(name: str) -> type[Operator] | type[Stream]:
    """Return the operator or stream of a name or an alias; an unknown one raises `SearchSpaceError`."""
    return _REGISTRY.find("operator", candidates(), name)


def registered_name(name: str) -> str:
    """Return the registered name of an operator's or a stream's alias; any other name as it is.

    Architectures, and so their ids, hold registered names only.
    """
    return _REGISTRY.registered_name(name)


def choices_of(forms: Iterable[str]) -> set[str]:
    """Return the choices of some operators: for a pair's option {"memorize"}, {"factorize"}, both, or none."""
    return {get_operator(form).choice for form in forms}
