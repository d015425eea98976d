"""Small trainings in turn and at once: `python -m benchmarks.side_by_side`, two minutes on two cores.

In turn each has all cores; at once each is a process with its share of them, or of the GPU.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Annotated

import typer

from autofi.core.device import pick_device
from autofi.data.load import open_data
from autofi.evaluation.parallel import Training, train_each
from autofi.evaluation.single_point import baseline
from autofi.evaluation.workbench import Workbench
from autofi.store.search_settings import SearchSettings
from benchmarks.paired import alternate, print_timings


def main(
    model: Annotated[str, typer.Argument(help="A space of a single point.")] = "dnn",
    jobs: Annotated[int, typer.Option(help="Trainings at once.")] = 2,
    trainings: Annotated[int, typer.Option(help="Trainings of a round.")] = 4,
    rows: Annotated[int, typer.Option(help="Rows of the generated table.")] = 60_000,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    rounds: Annotated[int, typer.Option(help="Timed rounds of either way.")] = 3,
) -> None:
    """Print seconds of some trainings, in turn and `jobs` at a time."""
    chosen = pick_device(device)
    source = f"planted:rows={rows}"
    data = open_data(source, SearchSettings(source))

    def work(at_once: int) -> Callable[[], object]:
        bench = Workbench(data, device=chosen, seed=0, jobs=at_once)
        found = baseline(model, bench)
        # As long for every seed: what is compared is the pace.
        fixed = dataclasses.replace(found.training, epochs=3, patience=1000)
        architecture = dataclasses.replace(found, training=fixed)
        tasks = [Training(architecture, seed) for seed in range(trainings)]
        return lambda: list(train_each(bench, tasks))

    ways = {"in turn": work(1), f"{jobs} at once": work(jobs)}
    print_timings(f"{trainings} trainings of {model} on {rows:,} rows", alternate(ways, rounds=rounds))


if __name__ == "__main__":
    typer.run(main)
