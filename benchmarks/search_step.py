"""A search step over all pairs against the published one: `python -m benchmarks.search_step --fields 39`.

Both sides are processes of their own, pinned to the same core, that take steps in turn on the same rows: every pair a
mixture of memorized, factorized and nothing, weights and choices learned together, the published widths.
"""

from __future__ import annotations

import sys
import tempfile
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from autofi.data.crosses import Crosses
from benchmarks.paired import Timing, alternate, print_timings
from benchmarks.tables import wide_codes
from benchmarks.workers.process import Worker


def main(
    fields: Annotated[int, typer.Option(help="Fields: 10 make 45 pairs, 39 make 741.")] = 39,
    rows: Annotated[int, typer.Option(help="Rows whose cells are counted.")] = 800_000,
    min_count: Annotated[int, typer.Option(help="Rows of a cell that gets a row of its own.")] = 10,
    batch: Annotated[int, typer.Option(help="Rows of a batch.")] = 2000,
    steps: Annotated[int, typer.Option(help="Steps of a timed round of the published search.")] = 3,
    own_steps: Annotated[int, typer.Option(help="Steps of a timed round of AutoFI.")] = 20,
    rounds: Annotated[int, typer.Option(help="Timed rounds of each side.")] = 5,
    hidden: Annotated[list[int], typer.Option(help="Widths of the hidden layers.")] = [700] * 5,
    core: Annotated[list[int], typer.Option(help="Core to run on; give it twice for two.")] = [0],  # noqa: B006
) -> None:
    """Print seconds of a step of both sides, rows a second, their ratio and their peak memory.

    A search brings its tables up to date once an epoch; AutoFI's rounds are longer, so that this is not half of one.
    """
    with tempfile.TemporaryDirectory() as work:
        cells = write_search(
            Path(work) / "search.npz", fields, rows, min_count, stored=max(steps, own_steps) * batch
        )
        print(
            f"{fields} fields, {fields * (fields - 1) // 2} pairs, {cells:,} cross rows, batches of {batch}"
        )
        request = {
            "do": "make", "work": work, "batch_size": batch, "threads": len(core), "seed": 0, "hidden": hidden,
        }  # fmt: skip
        modules = {"published step": "optinter_worker", "AutoFI": "search_worker"}
        counts = {"published step": steps, "AutoFI": own_steps}
        sides = {
            name: Worker([sys.executable, "-m", f"benchmarks.workers.{module}"], set(core))
            for name, module in modules.items()
        }
        for worker in sides.values():
            worker.ask(**request)
        ways = {name: partial(worker.ask, do="steps", count=counts[name]) for name, worker in sides.items()}
        timings = [
            Timing(timing.name, tuple(seconds / counts[timing.name] for seconds in timing.seconds))
            for timing in alternate(ways, rounds=rounds)
        ]
        print_timings("a search step", timings)
        for timing in timings:
            worker = sides[timing.name]
            peak = worker.ask(do="nothing")["peak_mb"]
            print(f"{timing.name}: {batch / timing.median:,.0f} rows/s, peak {peak:,.0f} MB")
            worker.close()
        print(f"AutoFI takes {timings[0].median / timings[1].median:.2f} times as many rows a second")


def write_search(path: Path, fields: int, rows: int, min_count: int, *, stored: int) -> int:
    """Codes and cells of the first `stored` rows, cells counted on all of them; returns the rows of all crosses."""
    codes, clicks = wide_codes(rows, fields=fields)
    sizes = codes.max(0) + 1
    pairs = list(combinations(range(fields), 2))
    crosses = Crosses.fit(codes, sizes.tolist(), pairs, min_count=min_count)
    cells = np.array(crosses.sizes)
    np.savez(
        path,
        pairs=np.array(pairs),
        codes=codes[:stored],
        cells=crosses.transform(codes[:stored]),
        labels=clicks[:stored].astype(np.float32),
        code_rows=sizes,
        cell_rows=cells,
        code_starts=np.cumsum([0, *sizes[:-1]]),
        cell_starts=np.cumsum([0, *cells[:-1]]),
    )
    return int(cells.sum())


if __name__ == "__main__":
    typer.run(main)
