"""Cost of commands that only look: `python -m benchmarks.looking`, two minutes, most of them to make a study.

Measured, each command in a process of its own: CPU seconds of user and system, and the largest resident memory. `show,
computed` is the first look at a study whose summary is not kept, such as one of an earlier version.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

import autofi
from autofi.cli.output import console
from autofi.store import StudyStore, resolve_storage
from autofi.store.stage_keys import SUMMARY

BETWEEN = """
import json, resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
spent = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([spent.ru_utime + spent.ru_stime, spent.ru_maxrss]))
"""
MADE, COMPUTED = "looked-at", "show, computed"


def main(
    study: Annotated[str | None, typer.Option(help="An existing study; else a small one is made.")] = None,
    storage: Annotated[str | None, typer.Option(help="Its storage.")] = None,
    rounds: Annotated[int, typer.Option(help="Processes of each command.")] = 5,
) -> None:
    """Print medians over the rounds."""
    with tempfile.TemporaryDirectory(prefix="autofi-looking-") as folder:
        if study is None:
            storage = str(Path(folder) / "a.db")
            study = MADE
            table = "planted:rows=3000"
            autofi.search(table, study=study, storage=storage, trials=3, seeds=1, baselines=("lr",)).close()
        place = ("--storage", str(resolve_storage(storage).url))
        show = ("show", study, *place)
        commands: dict[str, tuple[str, ...]] = {
            "--help": ("--help",),
            "studies": ("studies", *place),
            "show --json": (*show, "--json"),
            "show": show,
            COMPUTED: show,
        }
        shown = Table("autofi", "CPU s", "smallest", "largest", "MB")
        for name, command in commands.items():
            costs = []
            for _ in range(rounds):
                if name == COMPUTED:
                    _forget(study, storage)
                costs.append(_cost(command))
            seconds, kilobytes = zip(*costs, strict=True)
            shown.add_row(
                name,
                *(f"{of(seconds):.2f}" for of in (statistics.median, min, max)),
                f"{statistics.median(kilobytes) / 1000:.0f}",
            )
        console().print(shown)


def _cost(command: tuple[str, ...]) -> tuple[float, int]:
    """Return CPU seconds and kilobytes of a command."""
    # A process in between, as a new process counts the memory of the one that starts it as its own.
    between = [sys.executable, "-c", BETWEEN, sys.executable, "-m", "autofi", *command]
    ran = subprocess.run(between, stdout=subprocess.PIPE, text=True, check=True)
    seconds, memory = json.loads(ran.stdout)
    # macOS counts bytes.
    return seconds, memory // (1024 if sys.platform == "darwin" else 1)


def _forget(study: str, storage: str | None) -> None:
    with StudyStore(resolve_storage(storage)) as store, store.open(study) as handle:
        handle.drop_stages(SUMMARY)


if __name__ == "__main__":
    typer.run(main)
