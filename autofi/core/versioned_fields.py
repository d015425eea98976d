"""Settings that came after architectures with the others were stored."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

_LATER = "later"


def later(default: Any) -> Any:
    """A dataclass's setting that it has got since architectures with it were stored.

    At its default an architecture does not list it: those of earlier versions keep their ids, and their trainings.
    """
    return dataclasses.field(default=default, metadata={_LATER: True})


def listed(kind: type[Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Of all settings of a dataclass those that an architecture lists."""
    at_default = {field.name: field.default for field in dataclasses.fields(kind) if _LATER in field.metadata}
    return {
        key: value for key, value in settings.items() if key not in at_default or value != at_default[key]
    }
