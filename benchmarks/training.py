"""Training throughput against FuxiCTR, and AUC after as many steps: `python -m benchmarks.training dcnv2`.

Both sides are processes of their own, pinned to one core with one thread, that take the same number of steps on the
same rows in turn: by default one epoch in all. FuxiCTR needs an older Polars and gets an environment of its own, made
on the first run.
"""

from __future__ import annotations

import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from autofi.metrics.ranking import auc
from benchmarks.paired import alternate, print_timings
from benchmarks.peer import ENVIRONMENT, peer_python
from benchmarks.tables import encoded_parts
from benchmarks.workers.process import WORKERS, Worker

BATCH = 4096


def main(
    model: Annotated[str, typer.Argument(help="dnn, deepfm, dcnv2, autoint or finalmlp.")] = "dcnv2",
    rows: Annotated[int, typer.Option(help="Training rows.")] = 800_000,
    steps: Annotated[int, typer.Option(help="Steps of a timed round.")] = 13,
    rounds: Annotated[int, typer.Option(help="Timed rounds of each side.")] = 14,
    dim: Annotated[int, typer.Option(help="Width of an embedding.")] = 16,
    core: Annotated[list[int], typer.Option(help="Core to run on; give it twice for two.")] = [0],  # noqa: B006
    seed: Annotated[int, typer.Option(help="Seed of both sides.")] = 0,
    environment: Annotated[Path, typer.Option(help="Where FuxiCTR's environment is kept.")] = ENVIRONMENT,
) -> None:
    """Print seconds of a round, samples a second, their ratio, peak memory, and both AUCs after the last round."""
    peer = peer_python(environment.absolute())
    with tempfile.TemporaryDirectory() as work:
        sizes = encoded_parts(Path(work), rows, test_rows=100_000)
        print(f"{len(sizes)} fields, {sum(sizes):,} codes, {rows:,} rows, batches of {BATCH}, width {dim}")
        sides = {
            "FuxiCTR": Worker([str(peer), str(WORKERS / "fuxictr_worker.py")], set(core)),
            "AutoFI": Worker([sys.executable, "-m", "benchmarks.workers.autofi_worker"], set(core)),
        }
        request = {
            "do": "make", "model": model, "work": work, "cardinalities": sizes, "dim": dim,
            "batch_size": BATCH, "threads": len(core), "seed": seed,
        }  # fmt: skip
        for worker in sides.values():
            worker.ask(**request)
        ways = {name: partial(worker.ask, do="steps", count=steps) for name, worker in sides.items()}
        timings = alternate(ways, rounds=rounds)
        print_timings(f"{model}: {steps} steps", timings)
        with np.load(Path(work) / "test.npz") as stored:
            labels = stored["click"]
        for timing in timings:
            worker = sides[timing.name]
            answer = worker.ask(do="score")
            print(
                f"{timing.name}: {steps * BATCH / timing.median:,.0f} samples/s, peak {answer['peak_mb']:,.0f} MB, "
                f"test AUC {auc(labels, np.array(answer['probabilities'])):.5f}"
            )
            worker.close()
        print(f"AutoFI takes {timings[0].median / timings[1].median:.2f} times as many samples a second")


if __name__ == "__main__":
    typer.run(main)
