"""JSON as the store keeps it: numpy scalars as numbers, no NaN or infinity (browsers reject them)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def plain(value: Any) -> Any:
    """`value` made of dict, list, str, bool, int, finite float and None, as which other floats are kept.

    Raises TypeError for anything JSON has no form for.
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
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    if hasattr(value, "tolist"):
        # numpy scalars and arrays, without importing numpy here.
        return plain(value.tolist())
    raise TypeError(f"a {type(value).__name__} cannot be kept in a study: {value!r}")


def to_text(value: Any) -> str:
    """`plain(value)` as JSON text, keys in the order given."""
    return json.dumps(plain(value), allow_nan=False)
