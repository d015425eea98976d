"""A search on one core, on two, and on two beside a busy process: `python -m benchmarks.cores`, some minutes.

A core that other work uses makes all figures larger: repeat the rounds, and compare within a round.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

STUDY = "cores"


def main(
    rows: Annotated[int, typer.Option(help="Rows of the generated table.")] = 20_000,
    trials: Annotated[int, typer.Option(help="Trials of a search.")] = 4,
    seeds: Annotated[int, typer.Option(help="Seeds of the winner and of the best baseline.")] = 2,
    baselines: Annotated[str, typer.Option(help="Models to compare with.")] = "lightgbm,dnn,all-memorize",
    rounds: Annotated[int, typer.Option(help="Searches of each.")] = 1,
) -> None:
    """Print a line per search: seconds, and seconds of all cores in it."""
    one, *others = sorted(os.sched_getaffinity(0))
    if not others:
        raise typer.BadParameter("this process may use one core only; allow it two")
    ways = {
        "one core": ({one}, False),
        "two": ({one, others[0]}, False),
        "two, one busy": ({one, others[0]}, True),
    }
    table = Table("cores", "seconds", "of all cores", "of one core's time")
    for _ in range(rounds):
        alone = 0.0
        for name, (cores, busy) in ways.items():
            seconds, spent = _search(cores, busy, rows, trials, seeds, baselines)
            alone = alone or seconds
            table.add_row(name, f"{seconds:.1f}", f"{spent:.1f}", f"{seconds / alone:.2f}")
    Console(width=100).print(table)


def _search(
    cores: set[int], busy: bool, rows: int, trials: int, seeds: int, baselines: str
) -> tuple[float, float]:
    """Return the seconds of a search, and those that its processes computed."""
    spinning = (
        subprocess.Popen(
            [sys.executable, "-c", f"import os\nos.sched_setaffinity(0, {{{max(cores)}}})\nwhile True: pass"]
        )
        if busy
        else None
    )
    command = f"import os; os.sched_setaffinity(0, {cores}); from autofi.cli import main; main()"
    free = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    try:
        with tempfile.TemporaryDirectory(prefix="autofi-cores-") as folder:
            before, begun = os.times(), time.monotonic()
            subprocess.run(
                [
                    *(sys.executable, "-c", command, "search", f"planted:rows={rows}", "--study", STUDY),
                    *("--storage", f"{folder}/a.db", "--trials", str(trials), "--seeds", str(seeds)),
                    *("--baselines", baselines, "--device", "cpu", "--quiet"),
                ],
                check=True,
                stdout=subprocess.DEVNULL,
                env=free,
            )
            seconds, after = time.monotonic() - begun, os.times()
    finally:
        if spinning is not None:
            spinning.kill()
            spinning.wait()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return seconds, spent


if __name__ == "__main__":
    typer.run(main)
