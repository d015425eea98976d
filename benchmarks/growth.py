"""How time and memory grow with rows, pairs and values: `python -m benchmarks.growth`, some minutes on 2 cores.

Generated tables go through everything that a search does with rows, each in a process of its own. Growing rows and
values should cost at most in proportion, and so should pairs; memory has a bound that is printed beside its peak.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow.parquet as pq
import typer
from rich.console import Console
from rich.table import Table

from autofi.core.memmap import VARIABLE
from autofi.data.planted import PlantedSpec, generate
from autofi.readers import LARGE_BATCH_ROWS
from benchmarks.paired import machine

PIECES = ("encode", "features", "supernet", "scratch")
#: Values of every other field; the fields between have as many as the point says.
FEW = 30


@dataclass(frozen=True)
class Size:
    """One table: `values` is what its wide fields have each."""

    rows: int
    fields: int
    values: int

    def spec(self) -> PlantedSpec:
        return PlantedSpec(
            rows=self.rows,
            cardinalities=tuple(self.values if field % 2 else FEW for field in range(self.fields)),
            names=tuple(f"f{field:02d}" for field in range(self.fields)),
            memorize_pairs=((0, 2),),
            factorize_pairs=((1, 3),),
        )


def measure(size: Size | None, folder: Path, memory: str | None) -> dict[str, Any]:
    """What the worker says of a table; of none, what a process takes by itself."""
    arguments = []
    if size is not None:
        path = folder / "table.parquet"
        table = generate(size.spec()).table
        pq.write_table(table, path)
        # Of raw rows one batch is held, and the next is put together.
        arguments = [str(path), str(2 * table.nbytes * min(1.0, LARGE_BATCH_ROWS / size.rows))]
    # What is freed goes back to the system at once, so that a peak is what is held, not what is kept for later.
    environment = {
        **os.environ,
        "MALLOC_MMAP_THRESHOLD_": str(1 << 20),
        "MALLOC_TRIM_THRESHOLD_": str(1 << 20),
    }
    if memory is not None:
        environment[VARIABLE] = memory
    finished = subprocess.run(
        [sys.executable, "-m", "benchmarks.workers.growth_worker", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(finished.stdout.splitlines()[-1])
    return found


def exponent(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """The slope of cost over size, both as logarithms: 1 is in proportion."""
    return float(np.polyfit(np.log(sizes), np.log(costs), 1)[0])


def show(axis: str, sizes: list[Size], found: list[dict[str, Any]], base: int) -> None:
    """Seconds, and megabytes beside their bound, of every point; below, how seconds grow along the axis."""
    table = Table(title=f"{axis}: seconds of processor time, and peak MB of the bound", caption=machine())
    for heading in ("rows", "pairs", "values", *PIECES):
        table.add_column(heading, justify="right")
    for size, point in zip(sizes, found, strict=True):
        table.add_row(
            f"{size.rows:,}",
            str(point["pairs"]),
            f"{size.values:,}",
            *(
                f"{one['seconds']:.2f} s, {one['peak'] >> 20} of {(one['bound'] + base) >> 20}"
                for one in (point["points"][piece] for piece in PIECES)
            ),
        )
    along = {
        "rows": [float(size.rows) for size in sizes],
        "pairs": [float(point["pairs"]) for point in found],
        "values": [float(size.values) for size in sizes],
    }[axis]
    table.add_section()
    table.add_row(
        "",
        "",
        "exponent",
        *(
            f"{exponent(along, [point['points'][piece]['seconds'] for point in found]):.2f}"
            for piece in PIECES
        ),
    )
    Console().print(table)


def main(
    axis: Annotated[list[str], typer.Option(help="rows, pairs or values; all unless named.")] = [  # noqa: B006
        "rows",
        "pairs",
        "values",
    ],
    rows: Annotated[int, typer.Option(help="Rows of the smallest table.")] = 40_000,
    fields: Annotated[int, typer.Option(help="Fields of the smallest table.")] = 8,
    values: Annotated[int, typer.Option(help="Values of its wide fields.")] = 1_000,
    points: Annotated[int, typer.Option(help="Tables per axis, each twice as large as the one before.")] = 3,
    memory: Annotated[
        str | None, typer.Option(help="What rows may take in memory, as AUTOFI_MEMORY.")
    ] = None,
) -> None:
    """Print processor time and peak memory of every piece of a search on growing tables, and how fast they grow."""
    with tempfile.TemporaryDirectory() as folder:
        base = measure(None, Path(folder), memory)["base"]
        print(f"A process by itself: {base >> 20} MB")
        for name in axis:
            factors = [2**number for number in range(points)]
            sizes = {
                "rows": [Size(factor * rows, fields, values) for factor in factors],
                # Pairs grow as the square of fields.
                "pairs": [Size(rows, round(factor**0.5 * fields), values) for factor in factors],
                "values": [Size(rows, fields, factor * values) for factor in factors],
            }[name]
            show(name, sizes, [measure(size, Path(folder), memory) for size in sizes], base)


if __name__ == "__main__":
    typer.run(main)
