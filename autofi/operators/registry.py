"""Operators and streams by name: registering a class is enough for it to be listed, searched, tested, documented."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable
from functools import cache
from typing import TypeVar

from autofi.errors import SearchSpaceError, nearest
from autofi.operators.base import Candidate, Operator
from autofi.operators.streams import Stream

_KNOWN: dict[str, type[Candidate]] = {}
Registered = TypeVar("Registered", bound=type[Candidate])


def register(operator: Registered) -> Registered:
    """Class decorator: make the operator known under its `name`; a name taken twice is an error."""
    known = _KNOWN.get(operator.name)
    if known is not None and _path(known) != _path(operator):
        raise SearchSpaceError(
            f"Operator names must be unique, but '{operator.name}' is claimed by {_path(known)} "
            f"and {_path(operator)}; rename one of them."
        )
    _KNOWN[operator.name] = operator
    return operator


def operators() -> dict[str, type[Operator]]:
    """Every registered operator of a field or a pair by name, in alphabetical order."""
    return {name: found for name, found in _all().items() if issubclass(found, Operator)}


def streams() -> dict[str, type[Stream]]:
    """Every registered stream by name, in alphabetical order."""
    return {name: found for name, found in _all().items() if issubclass(found, Stream)}


def vector_operators() -> frozenset[str]:
    """Names of the operators that give a field's vector, which streams read."""
    return frozenset(name for name, operator in operators().items() if operator.vector)


def coded_operators() -> frozenset[str]:
    """Names of the operators that select the codes of values, which a stream may look up in a table of its own."""
    return frozenset(name for name, operator in operators().items() if operator.coded)


def get_operator(name: str) -> type[Operator]:
    """The class of that name; an unknown one raises `SearchSpaceError` with the nearest."""
    known = operators()
    if name not in known:
        raise SearchSpaceError(f"No operator named '{name}': {nearest(name, known)}")
    return known[name]


def get_stream(name: str) -> type[Stream]:
    """The class of that name; an unknown one raises `SearchSpaceError` with the nearest."""
    known = streams()
    if name not in known:
        raise SearchSpaceError(f"No stream named '{name}': {nearest(name, known)}")
    return known[name]


def applying(choice: str) -> Callable[[], tuple[str, ...]]:
    """Names of the operators that are forms of a choice ("field", "memorize", "factorize"), when called."""
    return lambda: tuple(name for name, operator in operators().items() if operator.choice == choice)


def choices_of(forms: Iterable[str]) -> set[str]:
    """The choices that operators are forms of: of a pair's option {"memorize"}, {"factorize"}, both, or none."""
    return {get_operator(form).choice for form in forms}


def _path(operator: type[Candidate]) -> str:
    return f"{operator.__module__}.{operator.__qualname__}"


@cache
def _all() -> dict[str, type[Candidate]]:
    # Importing every file of this folder runs its decorators; nothing else needs to know the list.
    package = importlib.import_module("autofi.operators")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"autofi.operators.{module.name}")
    return dict(sorted(_KNOWN.items()))
