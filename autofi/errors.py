"""The whole exception tree; everything a user's input can cause derives from `AutoFIError`.

AutoFIError
├── ConfigError               a setting or a settings file (file, key)
├── DataError                 a table, its columns or rows (source, column, row)
├── SearchSpaceError          a search space or an operator name
│   └── InvalidArchitectureError   a point that is not in its space (path of the choice)
├── StoreError                the studies' database
│   ├── StudyNotFoundError    also a KeyError
│   ├── StudyMismatchError    resumed with another space, other data or other objectives
│   └── LimitError            nothing that was measured keeps the study's limits
├── EngineError               what proposes, a process of its own, has died or failed
├── ExportError               a bundle that cannot be written or trusted
└── MissingDependencyError    an extra that is not installed; also an ImportError

The command line prints one line for any of them and exits with code 2.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

#: Characters of a name or value in a message, and names in a list of them.
MOST_SHOWN = 120
MOST_NAMES = 60


class AutoFIError(Exception):
    """Base of everything the user can mend; the message is one line: rule, value, place, way out."""

    def __str__(self) -> str:
        # KeyError, which some of the tree derives from, would print the repr of its argument.
        return str(self.args[0]) if self.args else ""


class ConfigError(AutoFIError):
    """A setting is wrong."""


class DataError(AutoFIError):
    """A table cannot be used as it is."""


class SearchSpaceError(AutoFIError):
    """A search space or operator is unknown or malformed."""


class InvalidArchitectureError(SearchSpaceError):
    """An architecture does not lie in its search space or does not fit its data."""


class StoreError(AutoFIError):
    """The storage cannot be reached or does not hold what it should."""


class StudyNotFoundError(StoreError, KeyError):
    """No study of that name in the storage."""


class StudyMismatchError(StoreError):
    """A study exists under that name, made with another space, other data, other objectives or limits."""


class LimitError(StoreError):
    """No architecture that was measured keeps the limits; longer searches or other limits may find one."""


class EngineError(AutoFIError):
    """What proposes runs in a process of its own, and that has died or failed; what was measured is kept."""


class ExportError(AutoFIError):
    """A bundle cannot be written, or must not be loaded."""


class NothingToShowError(AutoFIError):
    """A figure asks for what a study does not have, or does not have yet."""


class MissingDependencyError(AutoFIError, ImportError):
    """A package of an optional extra is needed and absent."""


def nearest(name: str, known: Iterable[str]) -> str:
    """The tail of an unknown-name message: the nearest known name and the list of all, or of as many as fit."""
    known = sorted(known)
    close = difflib.get_close_matches(name[:MOST_SHOWN], known, n=1)
    hint = f"did you mean '{short(close[0])}'? " if close else ""
    return f"{hint}Known: {listed(known) or 'none'}."


def listed(names: Sequence[str]) -> str:
    """The names, of many the first and how many there are besides."""
    shown = ", ".join(map(short, names[:MOST_NAMES]))
    return f"{shown} and {len(names) - MOST_NAMES:,} more" if len(names) > MOST_NAMES else shown


def short(text: str) -> str:
    """A name or a value's text, short enough for a line that says more."""
    return text if len(text) <= MOST_SHOWN else text[: MOST_SHOWN - 3] + "..."


def shown(value: object) -> str:
    """A value of a table as Python writes it, short enough for a line that says more."""
    return short(repr(value[: MOST_SHOWN + 1] if isinstance(value, (str, bytes)) else value))
