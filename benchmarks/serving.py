"""How fast `autofi serve` answers: `python -m benchmarks.serving DIR`, a minute.

As many clients as connections send a request each, wait for the answer and send the next. The client is one process
beside the server: on two cores they do not share one.
"""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

import autofi
from benchmarks.http import Connection
from benchmarks.served import HOST, drawn_rows, served

#: Different requests; they are sent over and over.
BODIES = 100
TIMEOUT = 60.0
JSON = {"Content-Type": "application/json"}


def main(
    bundle: Annotated[Path, typer.Argument(help="Folder written by autofi export.")],
    requests: Annotated[int, typer.Option(help="Requests of every line.")] = 1000,
    connections: Annotated[str, typer.Option(help="Clients at once.")] = "1,16,64",
    rows: Annotated[str, typer.Option(help="Rows of a request.")] = "1,100",
    window: Annotated[str, typer.Option(help="--batch-window of the server.")] = "2ms",
    seed: Annotated[int, typer.Option(help="Of the rows.")] = 0,
) -> None:
    """Print milliseconds and requests a second, for every number of connections and rows."""
    schema = autofi.load(bundle).schema
    rng = np.random.default_rng(seed)
    titles = ("connections", "rows", "p50 ms", "p95 ms", "p99 ms", "requests/s", "failed")
    table = Table(*titles, title=f"{requests:,} requests a line")
    with served(bundle, "--batch-window", window) as port:
        for size in (int(text) for text in rows.split(",")):
            bodies = [
                json.dumps({"rows": drawn_rows(schema, size, rng)}).encode()
                for _ in range(min(BODIES, requests))
            ]
            asyncio.run(load(port, bodies, requests=min(requests, 50), connections=2))
            for clients in (int(text) for text in connections.split(",")):
                begun = time.perf_counter()
                seconds, failed = asyncio.run(load(port, bodies, requests=requests, connections=clients))
                rate = requests / (time.perf_counter() - begun)
                quantiles = np.quantile(seconds, (0.5, 0.95, 0.99)) * 1e3 if seconds else [np.nan] * 3
                milliseconds = (f"{quantile:.1f}" for quantile in quantiles)
                table.add_row(str(clients), str(size), *milliseconds, f"{rate:.0f}", str(failed))
    Console(width=100).print(table)


async def load(port: int, bodies: list[bytes], *, requests: int, connections: int) -> tuple[list[float], int]:
    """Seconds of every answer, and how many requests had none or another than 200."""
    left = iter(range(requests))
    seconds: list[float] = []
    failed = 0

    async def client() -> None:
        nonlocal failed
        async with Connection(HOST, port) as connection:
            for number in left:
                begun = time.perf_counter()
                try:
                    async with asyncio.timeout(TIMEOUT):
                        status, _ = await connection.request("/predict", bodies[number % len(bodies)], JSON)
                except (OSError, EOFError, TimeoutError):
                    connection.close()
                    status = 0
                if status == 200:
                    seconds.append(time.perf_counter() - begun)
                else:
                    failed += 1

    await asyncio.gather(*(client() for _ in range(connections)))
    return seconds, failed


if __name__ == "__main__":
    typer.run(main)
