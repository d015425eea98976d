"""Trials per minute of a search with one and more workers: `python -m benchmarks.scaling`, four minutes on two cores.

Every worker has one core, and the table is small enough for it. Counted is the time from the first trial's begin to the
last one's end, so what a worker takes to start and to read the data counts against it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from autofi.store import StudyStore, TrialState, resolve_storage

STUDY = "scaling"


def main(
    workers: Annotated[list[int] | None, typer.Option(help="Workers at once; 1 and 2 if none.")] = None,
    trials: Annotated[int, typer.Option(help="Trials of a search.")] = 24,
    rows: Annotated[int, typer.Option(help="Rows of the generated table.")] = 20_000,
    rounds: Annotated[int, typer.Option(help="Searches of each.")] = 1,
) -> None:
    """Print a line per search: trials per minute, and seconds that a trial took by itself."""
    table = Table("workers", "trials", "seconds", "trials per minute", "seconds of a training")
    for _ in range(rounds):
        for count in workers or (1, 2):
            with tempfile.TemporaryDirectory(prefix="autofi-scaling-") as folder:
                storage = f"{folder}/a.db"
                _search(count, storage, trials=trials, rows=rows)
                seconds, training = _took(storage)
            table.add_row(
                str(count), str(trials), f"{seconds:.0f}", f"{60 * trials / seconds:.1f}", f"{training:.1f}"
            )
    Console(width=100).print(table)


def _search(workers: int, storage: str, *, trials: int, rows: int) -> None:
    command = [sys.executable, "-m", "autofi", "search", f"planted:rows={rows}", "--study", STUDY]
    command += ["--storage", storage, "--trials", str(trials), "--workers", str(workers), "--jobs", "1"]
    # A search shares its cores out among its workers; boosted trees would be a baseline on all of them.
    command += ["--device", "cpu", "--seeds", "1", "--baselines", "dnn", "--quiet"]
    # Random points follow from a trial's number alone: searches measure the same, whoever does.
    command += ["--sampler", "random"]
    subprocess.run(
        command,
        check=True,
        stdout=subprocess.DEVNULL,
        cwd=Path(storage).parent,
        env={**os.environ, "OMP_NUM_THREADS": str(workers)},
    )


def _took(storage: str) -> tuple[float, float]:
    """Seconds that all trials took together, and that one took in training on average."""
    with StudyStore(resolve_storage(storage)) as store, store.open(STUDY) as study:
        complete = [trial for trial in study.trials() if trial.state is TrialState.COMPLETE]
    begun = min(trial.started for trial in complete if trial.started is not None)
    ended = max(trial.finished for trial in complete if trial.finished is not None)
    return (ended - begun).total_seconds(), sum(trial.seconds or 0.0 for trial in complete) / len(complete)


if __name__ == "__main__":
    typer.run(main)
