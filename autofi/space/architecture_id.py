"""The name of an architecture, which needs none of its operators."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import xxhash


def architecture_id(document: Mapping[str, Any]) -> str:
    """16 hexadecimal digits of its canonical JSON: equal architectures, equal ids, in every process."""
    return xxhash.xxh3_64_hexdigest(json.dumps(document, sort_keys=True).encode())
