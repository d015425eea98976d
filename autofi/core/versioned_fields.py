"""Settings that were added after architectures without them had been stored."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

_ADDED = "added"


def added_setting(default: Any) -> Any:
    """Return a dataclass field for a setting that was added after architectures had been stored.

    An architecture does not list the setting at its default, so that architectures of earlier versions keep their ids
    and their trainings.
    """
    return dataclasses.field(default=default, metadata={_ADDED: True})


def without_defaults(kind: type[Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a dataclass that an architecture lists: all but later ones at their default."""
    at_default = {field.name: field.default for field in dataclasses.fields(kind) if _ADDED in field.metadata}
    return {
        key: value for key, value in settings.items() if key not in at_default or value != at_default[key]
    }
