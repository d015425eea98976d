"""Paired timings: every way does the same work in turn, so that what disturbs one disturbs all."""

from __future__ import annotations

import gc
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Timing:
    """Seconds of one way, in the order of the rounds."""

    name: str
    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def alternate(ways: Mapping[str, Callable[[], object]], *, rounds: int) -> list[Timing]:
    """Run A B A B ...: `rounds` times each, after one round that is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, work in ways.items():
            gc.collect()
            begun = time.perf_counter()
            work()
            if number > 0:
                seconds[name].append(time.perf_counter() - begun)
    return [Timing(name, tuple(found)) for name, found in seconds.items()]


def print_timings(title: str, timings: list[Timing]) -> None:
    """Medians with their spread, and how many times as long as the first way each takes."""
    table = Table(title=title, caption=machine())
    for heading in ("way", "median s", "fastest", "slowest", "ratio to the first", "spread of the ratio"):
        table.add_column(heading, justify="left" if heading == "way" else "right")
    first = timings[0]
    for timing in timings:
        ratios = [own / other for own, other in zip(timing.seconds, first.seconds, strict=True)]
        table.add_row(
            timing.name,
            f"{timing.median:.2f}",
            f"{min(timing.seconds):.2f}",
            f"{max(timing.seconds):.2f}",
            f"{timing.median / first.median:.2f}",
            f"{min(ratios):.2f} to {max(ratios):.2f}",
        )
    Console().print(table)


def machine() -> str:
    """Date, processor and Python: what a figure is worth nothing without."""
    info = Path("/proc/cpuinfo")
    names = (
        [
            line.partition(":")[2].strip()
            for line in info.read_text().splitlines()
            if line.startswith("model name")
        ]
        if info.exists()
        else []
    )
    processor = f"{len(names)} x {names[0]}" if names else platform.processor()
    return f"{datetime.now(UTC):%Y-%m-%d}, {processor}, Python {platform.python_version()}"
