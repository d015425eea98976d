"""The refusal of a request, and the display of values in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_SHOWN = 60


class RequestError(Exception):
    """A request that is answered with `status` and the one line `reason`."""

    def __init__(self, status: int, reason: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.headers = dict(headers or {})


def shown(value: Any) -> str:
    """Return a value of a JSON document as text, short enough for one line."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    whole = value[: _SHOWN + 1] if isinstance(value, str) else value
    text = json.dumps(whole, ensure_ascii=False)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def short(name: str) -> str:
    """Return a name that a client chose, short enough for one line."""
    return name if len(name) <= _SHOWN else name[: _SHOWN - 3] + "..."
