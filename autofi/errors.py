"""The exceptions of AutoFI; every error that a user's input can cause derives from `AutoFIError`.

AutoFIError
├── ConfigError               a wrong setting or settings file (names the file and the key)
├── DataError                 an unusable table (names the source, the column and the row)
├── SearchSpaceError          an unknown or malformed search space or operator
│   └── InvalidArchitectureError   an architecture outside its space (names the choice)
├── StoreError                a database of studies that cannot be used
│   ├── StudyNotFoundError    an unknown study; also a KeyError
│   ├── StudyMismatchError    a study resumed with another space, other data or other objectives
│   └── LimitError            no measured architecture keeps the study's limits
├── EngineError               the process that proposes architectures has died or failed
├── ExportError               a bundle that cannot be written or trusted
├── NothingToShowError        a plot of something that the study does not have
└── MissingDependencyError    an extra that is not installed; also an ImportError

The command line prints one line for any of them and exits with code 2.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

#: Most characters of a name or value in a message, and most names in a list of them.
MOST_SHOWN = 120
MOST_NAMES = 60


class AutoFIError(Exception):
    """The base of all errors that the user can fix; the message is one line: the fact, its place, the way out."""

    def __str__(self) -> str:
        # Some of these errors are also a KeyError, which would print the repr of its argument.
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
    """The storage has no study of that name."""


class StudyMismatchError(StoreError):
    """The study of that name was made with another space, other data, other objectives or other limits."""


class LimitError(StoreError):
    """No measured architecture keeps the limits; a longer search or other limits may find one."""


class EngineError(AutoFIError):
    """The process that proposes architectures has died or failed; all measurements are kept."""


class ExportError(AutoFIError):
    """A bundle cannot be written, or must not be loaded."""


class NothingToShowError(AutoFIError):
    """A figure asks for something that a study does not have, or not yet."""


class MissingDependencyError(AutoFIError, ImportError):
    """A package of an optional extra is needed and absent."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown name: the nearest known name, and the list of those that fit."""
    known = sorted(known)
    close = _close(name, known)
    hint = f"did you mean '{short(close[0])}'? " if close else ""
    return f"{hint}Known: {listed(known) or 'none'}."


def is_near(name: str, known: Iterable[str]) -> bool:
    """Return True if an unknown name is probably a slip of a known one."""
    return bool(_close(name, sorted(known)))


def _close(name: str, known: Sequence[str]) -> list[str]:
    return difflib.get_close_matches(name[:MOST_SHOWN], known, n=1)


def listed(names: Sequence[str]) -> str:
    """Return the names as a list; of many, the first ones and the number of the others."""
    shown = ", ".join(map(short, names[:MOST_NAMES]))
    return f"{shown} and {len(names) - MOST_NAMES:,} more" if len(names) > MOST_NAMES else shown


def short(text: str) -> str:
    """Return a name or the text of a value, cut short for a message."""
    return text if len(text) <= MOST_SHOWN else text[: MOST_SHOWN - 3] + "..."


def shown(value: object) -> str:
    """Return a value of a table as Python writes it, cut short for a message."""
    return short(repr(value[: MOST_SHOWN + 1] if isinstance(value, (str, bytes)) else value))
