"""Recognition of database URLs."""

from __future__ import annotations

import re

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+_]*://")


def is_database_url(source: str) -> bool:
    """Return True if the text has the form of an SQLAlchemy URL."""
    return _URL.match(source) is not None
