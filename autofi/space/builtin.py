"""Named search spaces: those of `search_spaces/`, and those of a folder of the user's own."""

from __future__ import annotations

import os
from pathlib import Path

from autofi.errors import SearchSpaceError, nearest

#: The environment variable with a folder whose YAML files are search spaces too.
VARIABLE = "AUTOFI_SPACES"
#: Names of models that share the namespace of spaces but are no spaces.
TREES = ("lightgbm", "catboost")
#: What a search is compared with unless it is told otherwise.
DEFAULT_BASELINES = ("lr", "fm", "dnn", "all-memorize", "all-factorize", *TREES)

_PACKAGE = Path(__file__).parent.parent


def builtin_spaces() -> dict[str, Path]:
    """Return the files of the spaces that come with AutoFI, by name, from the wheel or the source checkout."""
    for folder in (_PACKAGE.parent / "search_spaces", _PACKAGE / "_search_spaces"):
        if found := _files(folder):
            return found
    return {}


def named_spaces() -> dict[str, Path]:
    """Return the files of all named spaces: the built-in ones, then those of the folder that AUTOFI_SPACES names.

    Raises:
        SearchSpaceError: There is no such folder, or a file in it has the name of a built-in space or of boosted trees:
            a name means the same everywhere.
    """
    known = builtin_spaces()
    given = os.environ.get(VARIABLE)
    if not given:
        return known
    folder = Path(given)
    if not folder.is_dir():
        raise SearchSpaceError(
            f"{VARIABLE} names '{folder}', which is no folder; name a folder of search spaces, or unset it."
        )
    own = _files(folder)
    for name, path in own.items():
        if name in known or name in TREES:
            whose = "a built-in one" if name in known else "boosted trees"
            raise SearchSpaceError(f"The search space '{path}' has the name of {whose}, '{name}'; rename it.")
    return {**known, **own}


def space_file(name: str) -> Path:
    """Return the file of a named space.

    Raises:
        SearchSpaceError: There is no space of that name; the message names the nearest.
    """
    known = named_spaces()
    if name not in known:
        raise SearchSpaceError(
            f"No search space named '{name}': {nearest(name, known)} A file ends in .yaml."
        )
    return known[name]


def _files(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}
