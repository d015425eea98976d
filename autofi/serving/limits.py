"""The limits of a server's work."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """The limits of requests and batches.

    Attributes:
        rows: The most rows of a request.
        body_bytes: The most bytes of a request's body.
        batch_rows: The most rows that are scored together, unless one request has more.
        window: The seconds for which requests are collected while the model is busy.
        waiting: The most requests that wait for the model; further ones are answered with 503.
        strict: Refuse rows with keys that are not fields of the model.
        batch_seconds: The most seconds of a batch; then its requests are answered with 504, and others with 503
            until it ends.
        shutdown_seconds: The most seconds from the signal to the end of the process.
    """

    rows: int = 10_000
    body_bytes: int = 16_000_000
    batch_rows: int = 1024
    window: float = 0.002
    waiting: int = 256
    strict: bool = False
    batch_seconds: float = 30.0
    shutdown_seconds: float = 10.0
