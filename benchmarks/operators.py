"""A training step with every operator beside that of a plain MLP: `python -m benchmarks.operators`, five minutes.

Streams stand beside the MLP at their default settings, forms of a field in the place of its embedding, forms of a pair
over `--pairs` pairs. What a ratio of 1.5 says: two thirds of the rows a second that `dnn` alone takes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import combinations
from typing import Annotated, Any

import numpy as np
import torch
import typer
from rich.console import Console
from rich.table import Table

from autofi.data.features import Column, Features
from autofi.model.network import Network
from autofi.operators.base import Shapes, Sizes
from autofi.operators.registry import operators, streams
from autofi.space.head_config import HeadSizes
from autofi.training.optimizers import make_optimizers
from autofi.training.row_source import Rows
from autofi.training.step import train_rows
from benchmarks.paired import machine

CELLS, BINS, TOKENS = 10_000, 32, 5


def main(
    fields: Annotated[int, typer.Option(help="Fields.")] = 39,
    values: Annotated[int, typer.Option(help="Values of a field.")] = 2_000,
    pairs: Annotated[int, typer.Option(help="Pairs that forms of a pair are built for.")] = 100,
    batch: Annotated[int, typer.Option(help="Rows of a batch.")] = 4096,
    steps: Annotated[int, typer.Option(help="Timed steps of each.")] = 3,
    only: Annotated[str | None, typer.Option(help="Some operators by name, with commas.")] = None,
    threads: Annotated[int, typer.Option(help="Threads of torch.")] = 1,
) -> None:
    """Print seconds of a step and their ratio to a plain MLP's, which is timed again before every operator."""
    torch.set_num_threads(threads)
    shapes, features = _table(fields, values, pairs, batch)
    known = {**operators(), **streams()}
    chosen = list(known) if only is None else only.split(",")
    table = Table(
        title=f"{batch} rows, {fields} fields, {pairs} pairs, width 16, MLP 400x3", caption=machine()
    )
    for heading in ("operator", "is", "ms a step", "dnn, ms", "times dnn"):
        table.add_column(heading, justify="left" if heading in ("operator", "is") else "right")
    for name in chosen:
        own, plain = _paired(_step(name, shapes, features), _step("embedding", shapes, features), steps)
        cells = (f"{1000 * own:,.0f}", f"{1000 * plain:,.0f}", f"{own / plain:.2f}")
        table.add_row(name, known[name].choice, *cells)
    Console().print(table)


def _paired(own: Callable[[], None], plain: Callable[[], None], steps: int) -> tuple[float, float]:
    """Median seconds of both, in turn, after two steps of each, in which loops by row are compiled, uncounted."""
    seconds: dict[Callable[[], None], list[float]] = {own: [], plain: []}
    for number in range(steps + 2):
        for work, found in seconds.items():
            begun = time.perf_counter()
            work()
            if number > 1:
                found.append(time.perf_counter() - begun)
    return float(np.median(seconds[own])), float(np.median(seconds[plain]))


def _step(name: str, shapes: Shapes, features: Features) -> Callable[[], None]:
    single: list[Column] = [(field,) for field in range(len(shapes.names))]
    layout: dict[str, list[Column]] = {"embedding": single}
    beside: dict[str, dict[str, Any]] = {}
    if name in streams():
        beside = {name: {}}
    elif operators()[name].arity == 2:
        layout[name] = list(features.pairs)
    else:
        layout = {name: single}
    torch.manual_seed(0)
    head = HeadSizes(hidden=(400, 400, 400))
    network = Network(layout, shapes, Sizes(16, 16, 16), head, streams=beside)
    labels = (torch.rand(len(features)) < 0.3).float()
    rows = Rows(network.select(features), labels)
    optimizers = make_optimizers(network, 1e-3, 1e-5)
    return lambda: _run(network, rows, optimizers)


def _run(network: Network, rows: Rows, optimizers: Any) -> None:
    train_rows(network, [rows], optimizers)


def _table(fields: int, values: int, pairs: int, rows: int) -> tuple[Shapes, Features]:
    """Rows in which every field is a value, a number and a list at once."""
    generator = np.random.default_rng(0)
    names = tuple(f"field_{field}" for field in range(fields))
    every = tuple(combinations(range(fields), 2))[:pairs]
    columns: tuple[Column, ...] = (*((field,) for field in range(fields)), *every)
    shapes = Shapes(
        names=names,
        cardinalities=(values,) * fields,
        kept=(values,) * fields,
        prior=0.3,
        number_fields=tuple(range(fields)),
        number_bins=(BINS,) * fields,
        bags={field: (name, values) for field, name in enumerate(names)},
        cross_rows=dict.fromkeys(every, CELLS),
        log_counts=dict.fromkeys(columns, (3.0, 1.0)),
        counts=(np.full(values, 50),) * fields,
    )
    features = Features(
        ids=generator.integers(0, values, (rows, fields)).astype(np.int32),
        numbers=generator.uniform(0, BINS, (rows, fields)).astype(np.float32),
        bags={name: generator.integers(0, values, (rows, TOKENS)).astype(np.int32) for name in names},
        pairs=every,
        crosses=generator.integers(0, CELLS, (rows, len(every))).astype(np.int32),
        columns=columns,
        statistics=generator.integers(0, 50, (rows, len(columns), 2)).astype(np.float32)
        * np.float32([1, 0.3]),
    )
    return shapes, features


if __name__ == "__main__":
    typer.run(main)
