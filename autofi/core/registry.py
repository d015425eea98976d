"""Classes by name: those of AutoFI's own package, and those that other distributions offer by an entry point."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from autofi.errors import AutoFIError, is_near, nearest

Base = TypeVar("Base")
Found = TypeVar("Found")


class Registry(Generic[Base]):
    """Registered classes by their attribute `name`; each may have other names, `aliases`.

    Files of the package and entry points are loaded at the first look-up, not at import.

    Args:
        what: A word for such a class in messages.
        base: The class that all derive from.
        package: The package whose files register AutoFI's own classes.
        group: The group of entry points by which other distributions offer theirs, each a name and a class:
            `triples = "their_package.triples:Triples"`.
        error: Raised for a name that is taken twice or unknown, and for an entry point that fails to load.
    """

    def __init__(
        self, what: str, base: type[Any], package: str, group: str, error: type[AutoFIError]
    ) -> None:
        self._what, self._base, self._package, self._group, self._error = what, base, package, group, error
        self._known: dict[str, type[Base]] = {}
        #: Registered name by alias.
        self._aliases: dict[str, str] = {}
        self._loaded = False

    def add(self, found: type[Base]) -> None:
        """Register a class under its name and aliases.

        Raises:
            AutoFIError: One of them is the name or an alias of another class.
        """
        name: str = found.name  # type: ignore[attr-defined]
        aliases = own_aliases(found)
        for taken in (name, *aliases):
            known = self._known.get(self._aliases.get(taken, taken))
            if known is not None and _path(known) != _path(found):
                raise self._error(
                    f"Two classes have the {self._what} name '{taken}': {_path(known)} and {_path(found)}; "
                    "rename one of them."
                )
        # In a new dictionary: one that was returned before stays as it is.
        self._known = dict(sorted({**self._known, name: found}.items()))
        self._aliases |= dict.fromkeys(aliases, name)

    def all(self) -> dict[str, type[Base]]:
        """Return every class by its registered name, in alphabetical order."""
        if not self._loaded:
            package = importlib.import_module(self._package)
            for module in pkgutil.iter_modules(package.__path__):
                importlib.import_module(f"{self._package}.{module.name}")
            for entry_point in entry_points(group=self._group):
                self._load(entry_point)
            self._loaded = True
        return self._known

    def registered_name(self, name: str) -> str:
        """Return the registered name of an alias; any other name as it is."""
        self.all()
        return self._aliases.get(name, name)

    def get(self, name: str) -> type[Base]:
        """Return the class of a name or an alias.

        Raises:
            AutoFIError: There is none; the message has the nearest name.
        """
        return self.find(self._what, self.all(), name)

    def find(self, what: str, among: Mapping[str, Found], name: str) -> Found:
        """Return the one of a name or an alias among some of the classes.

        Args:
            what: A word for those classes in the message.
            among: The classes by their registered names.
            name: A registered name or an alias.

        Raises:
            AutoFIError: There is none; the message has the nearest name.
        """
        found = among.get(self.registered_name(name))
        if found is None:
            aliases = [alias for alias, registered in self._aliases.items() if registered in among]
            known = [*among, *aliases]
            said = f"No {what} named '{name}': {nearest(name, known)}"
            if not is_near(name, known):
                said += " One of another package is known when that package is installed."
            raise self._error(said)
        return found

    def _load(self, entry_point: EntryPoint) -> None:
        try:
            found: Any = entry_point.load()
            if not (isinstance(found, type) and issubclass(found, self._base)):
                raise TypeError(f"'{entry_point.value}' is no subclass of {_path(self._base)}")
            if (name := getattr(found, "name", None)) != entry_point.name:
                raise ValueError(f"the name of the class is {name!r}")
            self.add(found)
        except Exception as error:
            distribution = entry_point.dist.name if entry_point.dist else "unknown"
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise self._error(
                f"The {self._what} '{entry_point.name}' of the distribution '{distribution}' (entry point of the group "
                f"'{entry_point.group}') does not load: {reason}; repair or uninstall '{distribution}'."
            ) from error


def own_aliases(found: type) -> tuple[str, ...]:
    """Return the aliases of a class itself: a subclass has another name, and none of its parent's aliases."""
    aliases: tuple[str, ...] = vars(found).get("aliases", ())
    return aliases


def _path(found: type) -> str:
    return f"{found.__module__}.{found.__qualname__}"
