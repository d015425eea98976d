"""Is a point of a front what its trial said? `python -m benchmarks.front STUDY --storage URL`.

Exports the architecture of every trial on a study's front (each is trained once more, which takes as long as its trial
did), loads the folders as a server would, measures what they cost and sets that beside the record. Latency is measured
in turn over all points, several times, so that a busy moment does not fall on one of them.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.table import Table

import autofi
from benchmarks.paired import machine

#: By how much a latency may differ from the record.
TOLERANCE = 0.2


def main(
    study: Annotated[str, typer.Argument(help="Its name.")],
    storage: Annotated[str | None, typer.Option(help="Where the study is kept.")] = None,
    rounds: Annotated[int, typer.Option(help="Times that every point's latency is measured.")] = 3,
    threads: Annotated[int, typer.Option(help="Threads of torch while training.")] = 1,
) -> None:
    """Print recorded and measured costs of every point; exit 1 where they differ."""
    torch.set_num_threads(threads)
    opened = autofi.open_study(study, storage)
    front = opened.front()
    console = Console(width=110)
    with tempfile.TemporaryDirectory() as folder:
        predictors = {}
        for trial in map(int, front["trial"]):
            with console.status(f"export trial {trial}"):
                opened.export(Path(folder) / str(trial), trial=trial)
            predictors[trial] = autofi.load(Path(folder) / str(trial))
        measured = [{trial: found.costs() for trial, found in predictors.items()} for _ in range(rounds)]
    board = opened.leaderboard().set_index("trial")
    table = Table(title=f"{len(front)} points of {study}", title_justify="left")
    for column in ("trial", "valid AUC", "parameters", "table bytes", "FLOPs", "latency", "again", "ratio"):
        table.add_column(column, justify="right")
    differ = []
    for trial in predictors:
        recorded, first = board.loc[trial], measured[0][trial]
        again = statistics.median(costs[trial]["latency"] for costs in measured)
        exact = [name for name in ("parameters", "table_bytes", "flops") if first[name] != recorded[name]]
        ratio = again / recorded["latency"]
        if exact or abs(ratio - 1) > TOLERANCE:
            differ.append(
                f"trial {trial}: {', '.join(exact) or f'latency {ratio:.2f} times the recorded one'}"
            )
        table.add_row(
            str(trial),
            f"{recorded['valid_auc']:.4f}",
            f"{recorded['parameters']:,.0f}",
            f"{recorded['table_bytes']:,.0f}",
            f"{recorded['flops']:,.0f}",
            f"{recorded['latency']:.1f} µs",
            f"{again:.1f} µs",
            f"{ratio:.2f}",
        )
    console.print(machine())
    console.print(table)
    console.print("\n".join(differ) or "Counts and bytes are exactly as recorded, every latency within 20 %.")
    raise typer.Exit(bool(differ))


if __name__ == "__main__":
    typer.run(main)
