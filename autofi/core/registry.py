"""Classes by name, each in a file of one package: its decorator is enough for a class to be known."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from typing import Generic, TypeVar

from autofi.errors import AutoFIError, nearest

Base = TypeVar("Base")
Found = TypeVar("Found")


class Registry(Generic[Base]):
    """The classes of a package that have its decorator, by their attribute `name`.

    what      how a class is called in messages
    package   whose files are imported before anything is looked up
    error     what is raised for a name that is taken twice or unknown
    """

    def __init__(self, what: str, package: str, error: type[AutoFIError]) -> None:
        self._what, self._package, self._error = what, package, error
        self._known: dict[str, type[Base]] = {}
        self._sorted: dict[str, type[Base]] | None = None

    def add(self, found: type[Base]) -> None:
        """Make a class known; a name taken twice is an error."""
        name: str = found.name  # type: ignore[attr-defined]
        known = self._known.get(name)
        if known is not None and _path(known) != _path(found):
            raise self._error(
                f"Names must be unique, but the {self._what} '{name}' is claimed by {_path(known)} and "
                f"{_path(found)}; rename one of them."
            )
        self._known[name] = found
        self._sorted = None

    def all(self) -> dict[str, type[Base]]:
        """Every class by name, in alphabetical order."""
        if self._sorted is None:
            package = importlib.import_module(self._package)
            for module in pkgutil.iter_modules(package.__path__):
                importlib.import_module(f"{self._package}.{module.name}")
            self._sorted = dict(sorted(self._known.items()))
        return self._sorted

    def get(self, name: str) -> type[Base]:
        """The class of that name; an unknown one is an error that says the nearest."""
        return named(self._what, self.all(), name, self._error)


def named(what: str, known: Mapping[str, Found], name: str, error: type[AutoFIError]) -> Found:
    """The one of that name; an unknown one is an error that says the nearest."""
    if name not in known:
        raise error(f"No {what} named '{name}': {nearest(name, known)}")
    return known[name]


def _path(found: type) -> str:
    return f"{found.__module__}.{found.__qualname__}"
