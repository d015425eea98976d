"""The search spaces that come with AutoFI: the YAML files of `search_spaces/`."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent.parent


def builtin_spaces() -> dict[str, Path]:
    """The file of every space by name; from the wheel, or from the top of a source checkout."""
    for folder in (_PACKAGE.parent / "search_spaces", _PACKAGE / "_search_spaces"):
        found = {path.stem: path for path in sorted(folder.glob("*.yaml"))}
        if found:
            return found
    return {}
