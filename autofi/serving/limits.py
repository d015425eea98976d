"""How much a server takes on at once."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Per request: rows and bytes of the body, and with `strict` no keys of rows but the model's fields. Per batch:
    rows, and seconds that requests are collected."""

    rows: int = 10_000
    body_bytes: int = 16_000_000
    batch_rows: int = 1024
    window: float = 0.002
    waiting: int = 256
    """Requests that may wait for the model; further ones are answered with 503."""
    strict: bool = False
