"""The id of an architecture, computed without any of its operators."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import xxhash


def architecture_id(document: Mapping[str, Any]) -> str:
    """Return 16 hexadecimal digits of the canonical JSON; equal architectures have equal ids in every process."""
    return xxhash.xxh3_64_hexdigest(json.dumps(document, sort_keys=True).encode())
