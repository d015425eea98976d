"""Malformed requests for `autofi serve`: `python -m benchmarks.fuzz_server DIR --requests 100000`, minutes.

Valid requests are damaged in one of many ways, a share of them is sent as it is. The server never fails (no status of
500 or more), answers each in time, and every probability it gives is that of the predictor for the values that were
sent.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

import autofi
from benchmarks.damaged import DAMAGES, MOST_BYTES, MOST_ROWS, Request, valid_requests
from benchmarks.fuzz_oracle import check
from benchmarks.http import Connection
from benchmarks.served import HOST, served

TIMEOUT = 60.0


def main(
    bundle: Annotated[Path, typer.Argument(help="Folder written by autofi export.")],
    requests: Annotated[int, typer.Option(help="Requests to send.")] = 100_000,
    connections: Annotated[int, typer.Option(help="Clients at once.")] = 16,
    valid: Annotated[float, typer.Option(help="Share of requests sent as they are.")] = 0.2,
    seed: Annotated[int, typer.Option(help="Of the requests.")] = 0,
) -> None:
    """Print the answers by damage and status; exits with 1 if any is wrong or missing."""
    predictor = autofi.load(bundle)
    rng = np.random.default_rng(seed)
    good = valid_requests(predictor.schema, rng)
    begun = time.perf_counter()
    with served(bundle, "--max-rows", str(MOST_ROWS), "--max-bytes", f"{MOST_BYTES}B") as port:
        run = Run(good, rng, left=requests, valid=valid)
        asyncio.run(run.send(port, connections))
    print(f"{requests:,} requests in {time.perf_counter() - begun:.0f} s by {connections} connections")
    for name in sorted(run.statuses):
        print(
            f"{name:>18}: " + ", ".join(f"{status} {n:,}" for status, n in sorted(run.statuses[name].items()))
        )
    totals = sum(run.statuses.values(), Counter[int]())
    print(f"{'all':>18}: " + ", ".join(f"{status} {number:,}" for status, number in sorted(totals.items())))
    checked, wrong = check(run.answered, predictor)
    failures = [request for request, status in run.failures if status >= 500]
    silent = [request for request, status in run.failures if status < 500]
    print(
        f"status of 500 or more: {len(failures)}; without an answer: {len(silent)}; valid requests refused: "
        f"{run.refused}; rows checked: {checked:,}; wrong: {len(wrong)}"
    )
    for request in (*failures[:5], *silent[:5]):
        print(request.path, request.headers, request.body[:300])
    for line in wrong[:5]:
        print(line)
    raise typer.Exit(int(bool(failures or silent or wrong or run.refused)))


class Run:
    """What was sent and answered."""

    def __init__(self, good: list[Request], rng: np.random.Generator, *, left: int, valid: float) -> None:
        self._good, self._rng, self._left, self._valid = good, rng, left, valid
        self.statuses: dict[str, Counter[int]] = defaultdict(Counter)
        self.failures: list[tuple[Request, int]] = []
        self.answered: list[tuple[Request, list[float]]] = []
        self.refused = 0

    async def send(self, port: int, connections: int) -> None:
        await asyncio.gather(*(self._client(port) for _ in range(connections)))

    async def _client(self, port: int) -> None:
        async with Connection(HOST, port) as connection:
            while self._left > 0:
                self._left -= 1
                name, request = self._next()
                try:
                    async with asyncio.timeout(TIMEOUT):
                        status, content = await connection.request(
                            request.path, request.body, request.headers, method=request.method
                        )
                except (OSError, EOFError, TimeoutError):
                    connection.close()
                    status, content = 0, b""
                self.statuses[name][status] += 1
                self._note(name, request, status, content)

    def _next(self) -> tuple[str, Request]:
        request = self._good[self._rng.integers(len(self._good))]
        if self._rng.random() < self._valid:
            return "valid", request
        name = list(DAMAGES)[self._rng.integers(len(DAMAGES))]
        return name, DAMAGES[name](request, self._rng)

    def _note(self, name: str, request: Request, status: int, content: bytes) -> None:
        if status == 0 or status >= 500:
            self.failures.append((request, status))
        elif status == 200 and request.method == "POST":
            document = json.loads(content)
            found = document["probabilities"] if request.of_rows else document["outputs"][0]["data"]
            self.answered.append((request, found))
        elif name == "valid":
            self.refused += 1


if __name__ == "__main__":
    typer.run(main)
