"""Whether reading reports slows a search down: `python -m benchmarks.report_beside`, ten minutes.

Four workers write trials of 741 pairs to one study, with and without a process that reads the study and makes its page
again and again, in turns. Counted are the milliseconds that a trial spends in the database, and trials a minute.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table as OptunaDashboardAttributes

from autofi.cli.output import console
from autofi.report.html_page import page_html
from autofi.study.study import open_study
from benchmarks.crew import LocalWorkers
from benchmarks.trial_worker import NAME

WORKERS = 4


def main(
    trials: Annotated[int, typer.Option(help="Trials of a worker in a run.")] = 30,
    seconds: Annotated[float, typer.Option(help="How long a trial takes beside the database.")] = 1.0,
    pause: Annotated[float, typer.Option(help="Seconds between a page and the next.")] = 2.0,
    runs: Annotated[int, typer.Option(help="Runs of each kind, in turns.")] = 3,
    read: Annotated[str | None, typer.Option(hidden=True)] = None,
) -> None:
    """Print a line per run."""
    if read is not None:
        _read(read, pause)
        return
    shown = OptunaDashboardAttributes(
        "reports", "median ms of a trial", "nine of ten", "trials a minute", "lost, doubled, stuck"
    )
    for _ in range(runs):
        for reading in (False, True):
            with tempfile.TemporaryDirectory(prefix="autofi-beside-") as folder:
                url = f"sqlite:///{folder}/a.db"
                crew = LocalWorkers(url, most=trials * WORKERS, seconds=seconds, pairs=741)
                begun = time.perf_counter()
                with _reader(url, pause, Path(folder) / "pages") if reading else _nobody():
                    crew.join(count=WORKERS)
                    begun = time.perf_counter()
                    crew.finish()
                    spent = time.perf_counter() - begun
                pages = Path(folder) / "pages"
                found = crew.audit()
                shown.add_row(
                    f"{len(pages.read_text().splitlines())} pages" if reading else "none",
                    f"{1000 * statistics.median(crew.spent):.0f}",
                    f"{1000 * statistics.quantiles(crew.spent, n=10)[-1]:.0f}",
                    f"{60 * trials * WORKERS / spent:.1f}",
                    str(found["lost"] + found["doubled"] + found["stuck"]),
                )
    console().print(shown)


def _read(url: str, pause: float) -> None:
    """Make the page until killed, and say so for each."""
    while True:
        study = open_study(NAME, url)
        print(len(page_html(study.findings())), flush=True)
        study.close()
        time.sleep(pause)


@contextmanager
def _reader(url: str, pause: float, said: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "benchmarks.report_beside", "--read", url, "--pause", str(pause)]
    with said.open("w") as out:
        reader = subprocess.Popen(command, stdout=out)
        try:
            yield
        finally:
            reader.kill()
            reader.wait()


@contextmanager
def _nobody() -> Iterator[None]:
    yield


if __name__ == "__main__":
    typer.run(main)
