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
    batch_seconds: float = 30.0
    """Seconds that a batch may take; then its requests are answered with 504, others with 503 until it has ended."""
    shutdown_seconds: float = 10.0
    """Seconds from the signal to the end of the process, whatever runs."""
