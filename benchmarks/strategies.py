"""Which strategy finds better models in the same time? `python -m benchmarks.strategies run TABLE`, then `draw`.

Every strategy searches the same space on the same table for the same wall time, encoding left out, once per seed, one
after the other in turn. After every trial the best by validation rows so far is known; its test AUC is read here beside
the search, which sees validation rows only. A trial that ends after the time does not count.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import plotly.graph_objects as go
import torch
import typer
from plotly.subplots import make_subplots
from rich.console import Console
from rich.table import Table

from autofi.api.local_workers import LocalWorkers
from autofi.api.search import run_search
from autofi.core.progress import SilentProgress
from autofi.data.dataset import EncodedDataset
from autofi.data.load import open_data
from autofi.data.schema_overrides import SchemaOverrides
from autofi.engine.observer import Observed
from autofi.evaluation.workbench import TrainedModel, Workbench
from autofi.metrics.ranking import auc
from autofi.samplers.successive_halving import check_fidelity
from autofi.space.architecture import Architecture
from autofi.space.load import load_space
from autofi.space.search_space import SearchSpace
from autofi.store import StudyStore, resolve_storage
from autofi.store.search_settings import SearchSettings
from autofi.study.dashboard_observer import DashboardObserver
from benchmarks.paired import machine

#: By name: the strategy, who proposes, and on how many rows trials begin.
STRATEGIES = {
    "staged": ("staged", "tpe", "full"),
    "random": ("scratch", "random", "full"),
    "tpe": ("scratch", "tpe", "full"),
    "halving": ("scratch", "tpe", "halving"),
    "gradient": ("gradient", "tpe", "full"),
}
COLOURS = dict(zip(STRATEGIES, ["#1a6b54", "#9a9a9a", "#3b6fb6", "#8a63b3", "#c8702a"], strict=True))
#: Shares of the time at which the table says what was found.
MOMENTS = (0.25, 0.5, 1.0)
#: Characters of a printed line, which the table needs.
WIDTH = 160

app = typer.Typer(help=__doc__, add_completion=False)


class Watched(Workbench):
    """A workbench that notes, after every training on all rows, when it ended and what it came to.

    Once there is something to show, a training that is not over in time is broken off.
    """

    def __init__(self, dataset: EncodedDataset, *, seed: int, seconds: float) -> None:
        super().__init__(dataset, device=torch.device("cpu"), seed=seed)
        self.begun, self.seconds = time.monotonic(), seconds
        self.points: list[tuple[float, float, float]] = []

    def train(self, architecture: Architecture, *, share: float = 1.0, **settings: Any) -> TrainedModel:
        parts = (*settings.pop("parts", ("valid",)), "test")
        settings["on_evaluation"] = self._check
        trained = super().train(architecture, parts=parts, share=share, **settings)
        if share == 1.0:
            labels = self.dataset.labels[self.dataset.parts["test"]]
            found = auc(labels, trained.predictions["test"])
            self.points.append((time.monotonic() - self.begun, trained.report.auc, found))
        return trained

    def _check(self, *figures: float) -> None:
        if self.points and time.monotonic() - self.begun > self.seconds:
            raise RuntimeError("the time is up")


@app.command()
def run(
    table: Annotated[str, typer.Argument(help="A file or a generated source.")],
    out: Annotated[Path, typer.Option(help="File that a line is added to per run.")],
    target: Annotated[str | None, typer.Option(help="The column of clicks.")] = None,
    split_column: Annotated[str | None, typer.Option(help="Column that names every row's part.")] = None,
    ignore: Annotated[list[str] | None, typer.Option(help="Column to leave out. Repeatable.")] = None,
    name: Annotated[str | None, typer.Option(help="What the figure calls the table.")] = None,
    space: Annotated[str, typer.Option(help="The space; its own starts are left out.")] = "default",
    strategy: Annotated[list[str] | None, typer.Option(help="One of them. Repeatable.")] = None,
    seconds: Annotated[float, typer.Option(help="Of every search.")] = 180.0,
    seeds: Annotated[int, typer.Option(help="Searches of every strategy.")] = 3,
    first_seed: Annotated[int, typer.Option(help="The seed of the first.")] = 0,
    threads: Annotated[int, typer.Option(help="Threads of torch.")] = 1,
) -> None:
    """Search with every strategy in turn and add what each came to over time to a file."""
    torch.set_num_threads(threads)
    overrides = SchemaOverrides(split_column=split_column, ignore=tuple(ignore or ()))
    settings = SearchSettings(
        source=table, target=target, overrides=overrides.model_dump(mode="json", exclude_defaults=True)
    )
    dataset = open_data(table, settings)
    # Starts of a file come from tables like these: what a strategy finds by itself is asked here.
    searched = load_space(space).model_copy(update={"starts": ()})
    for seed in range(first_seed, first_seed + seeds):
        for label in strategy or STRATEGIES:
            points = _search(dataset, searched, label, seed=seed, seconds=seconds)
            line = {
                "table": name or Path(table).parent.name or table,
                "strategy": label,
                "seed": seed,
                "seconds": seconds,
                "points": points,
            }
            with out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
            best = max((point for point in points if point[0] <= seconds), key=lambda p: p[1], default=None)
            print(label, seed, len(points), "trials", best, flush=True)


def _search(
    dataset: EncodedDataset, space: SearchSpace, label: str, *, seed: int, seconds: float
) -> list[tuple[float, float, float]]:
    strategy, sampler, fidelity = STRATEGIES[label]
    settings = SearchSettings(
        source=None,
        strategy=strategy,
        sampler=sampler,
        fidelity=check_fidelity(fidelity),
        trials=100_000,
        seed=seed,
    )
    progress = SilentProgress()
    with tempfile.TemporaryDirectory() as folder:
        storage = resolve_storage(f"sqlite:///{folder}/studies.db")
        with StudyStore(storage) as store:
            handle = store.create_or_resume(
                "strategies",
                space_name=space.name,
                space_json=space.text(),
                space_fingerprint=space.fingerprint,
                data_source="benchmark",
                data_fingerprint=dataset.fingerprint,
                settings=settings.to_json(),
            )
            bench = Watched(dataset, seed=seed, seconds=seconds)
            crew = LocalWorkers("strategies", storage, 0, device=bench.device, progress=progress)
            with handle:
                run_search(
                    handle,
                    bench,
                    space,
                    trials=settings.trials,
                    seed=seed,
                    deadline=bench.begun + seconds,
                    plateau=None,
                    crew=crew,
                    observed=Observed(DashboardObserver(), progress),
                )
    return bench.points


@app.command()
def draw(
    files: Annotated[list[Path], typer.Argument(help="What `run` wrote.")],
    figure: Annotated[Path | None, typer.Option(help="HTML file of the figure.")] = None,
) -> None:
    """Print the best model by validation rows at some moments, and draw it over time."""
    runs = [json.loads(line) for path in files for line in path.read_text(encoding="utf-8").splitlines()]
    console = Console(width=WIDTH)
    console.print(machine())
    for table in dict.fromkeys(run["table"] for run in runs):
        console.print(_table(table, [run for run in runs if run["table"] == table]))
    if figure is not None:
        _figure(runs).write_html(figure, include_plotlyjs=True)
        console.print(f"Figure: {figure}")


def _table(name: str, runs: Sequence[dict[str, Any]]) -> Table:
    seconds = runs[0]["seconds"]
    found = Table(title=f"{name}, {seconds:g} s", title_justify="left")
    found.add_column("strategy")
    found.add_column("trials", justify="right")
    for moment in MOMENTS:
        for part in ("valid", "test"):
            found.add_column(f"{part} {moment * seconds:g} s", justify="right")
    for label in dict.fromkeys(run["strategy"] for run in runs):
        mine = [run for run in runs if run["strategy"] == label]
        counted = [sum(point[0] <= seconds for point in run["points"]) for run in mine]
        cells = [label, f"{statistics.fmean(counted):.0f}"]
        for moment in MOMENTS:
            best = [_best(run["points"], moment * seconds) for run in mine]
            for place in (1, 2):
                values = [point[place] for point in best if point is not None]
                cells.append(_spread(values) if len(values) == len(mine) else "none yet")
        found.add_row(*cells)
    return found


def _spread(values: Sequence[float]) -> str:
    spread = f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.4f}{spread}"


def _best(points: Sequence[Sequence[float]], until: float) -> Sequence[float] | None:
    """The trial with the highest validation AUC of those that ended in time."""
    return max((point for point in points if point[0] <= until), key=lambda point: point[1], default=None)


def _steps(points: Sequence[Sequence[float]], until: float) -> Iterator[Sequence[float]]:
    """The best so far whenever it changes, and at the end."""
    best: Sequence[float] | None = None
    for point in points:
        if point[0] <= until and (best is None or point[1] > best[1]):
            best = point
            yield point
    if best is not None:
        yield [until, *best[1:]]


def _figure(runs: Sequence[dict[str, Any]]) -> go.Figure:
    tables = list(dict.fromkeys(run["table"] for run in runs))
    titles = [f"{table}, {part} AUC" for table in tables for part in ("valid", "test")]
    figure = make_subplots(rows=len(tables), cols=2, subplot_titles=titles, vertical_spacing=0.09)
    shown: set[str] = set()
    for run in runs:
        steps = list(_steps(run["points"], run["seconds"]))
        for column, part in ((1, 1), (2, 2)):
            figure.add_trace(
                go.Scatter(
                    x=[step[0] for step in steps],
                    y=[step[part] for step in steps],
                    mode="lines",
                    line={"shape": "hv", "color": COLOURS[run["strategy"]], "width": 1.8},
                    name=run["strategy"],
                    legendgroup=run["strategy"],
                    showlegend=run["strategy"] not in shown,
                ),
                row=tables.index(run["table"]) + 1,
                col=column,
            )
            shown.add(run["strategy"])
    figure.update_xaxes(title_text="seconds", row=len(tables))
    figure.update_layout(
        template="simple_white",
        height=320 * len(tables) + 80,
        width=1000,
        legend={"orientation": "h", "y": 1.06},
    )
    return figure


if __name__ == "__main__":
    app()
