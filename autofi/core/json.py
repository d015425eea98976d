"""Values as JSON: NumPy scalars as numbers, no NaN or infinity (browsers reject them)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any


def to_json_value(value: Any) -> Any:
    """Return `value` as dict, list, str, bool, int, finite float and None.

    NumPy scalars and arrays become numbers and lists, dates and times ISO 8601 texts, non-finite numbers None.

    Raises:
        TypeError: A value cannot be written as JSON.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str | Path):
        # A StrEnum becomes its value.
        return str(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): to_json_value(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [to_json_value(entry) for entry in value]
    if hasattr(value, "tolist"):
        # NumPy scalars and arrays, without importing NumPy here.
        return to_json_value(value.tolist())
    raise TypeError(f"a {type(value).__name__} cannot be written as JSON: {value!r}")


def to_text(value: Any) -> str:
    """Return `value` as JSON in one line, keys in the order given."""
    return json.dumps(to_json_value(value), allow_nan=False)


def json_text(value: Any) -> str:
    """Return `value` as indented JSON, with non-ASCII letters unescaped."""
    return json.dumps(to_json_value(value), indent=2, ensure_ascii=False, allow_nan=False)
