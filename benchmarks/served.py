"""A bundle behind `autofi serve`, as a process of its own, and rows to ask it about."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from autofi.data.schema import Field, FieldKind, Schema
from benchmarks.servers import Server, free_port

HOST = "127.0.0.1"
NAME = "model"
#: Different values of a field; whether the model knows them makes no difference to its work.
VALUES = 1000


@contextmanager
def served(bundle: Path, *options: str) -> Iterator[int]:
    """The port of a server that is ready."""
    port = free_port(HOST)
    command = [sys.executable, "-m", "autofi", "serve", str(bundle), "--name", NAME]
    server = Server(f"http://{HOST}:{port}", [*command, "--port", str(port), *options], HOST, port)
    server.start()
    try:
        httpx.get(f"{server.url}/v2/health/ready").raise_for_status()
        yield port
    finally:
        server.kill()


def drawn_rows(schema: Schema, rows: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Rows of random values, one in ten missing."""
    return [
        {field.name: _value(field, rng) if rng.random() > 0.1 else None for field in schema.fields}
        for _ in range(rows)
    ]


def _value(field: Field, rng: np.random.Generator) -> Any:
    if field.kind is FieldKind.NUMERIC:
        return round(float(rng.normal()), 3)
    if field.kind is FieldKind.MULTI_VALUED:
        return [str(token) for token in rng.integers(VALUES, size=3)]
    number = int(rng.integers(VALUES))
    return number if field.reads_as_number else f"{field.name}_{number}"
