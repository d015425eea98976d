"""Latency and throughput of a bundle on one core: `python -m benchmarks.latency DIR DATA`.

ONNX Runtime from raw columns on, beside torch (eager) from codes on, beside LightGBM's own predictor on those codes.
They take turns, batch by batch; a ratio is of medians.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import lightgbm
import numpy as np
import torch
import typer
from rich.table import Table as OptunaDashboardAttributes

from autofi.bundle.bundle import Bundle, load_bundle
from autofi.bundle.files import ONNX
from autofi.bundle.onnx_scorer import OnnxScorer
from autofi.bundle.schema import read_schema
from autofi.cli.output import console
from autofi.data.encoded_rows import EncodedRows
from autofi.data.features import Features
from autofi.data.label_columns import read_labels
from benchmarks.parity import read

BATCHES = (1, 64, 4096)
TREES = 300


def main(
    bundle: Annotated[Path, typer.Argument(help="Folder of a bundle in the forms onnx and torch.")],
    data: Annotated[str, typer.Argument(help="The table that it was made from.")],
    seconds: Annotated[float, typer.Option(help="For each batch size.")] = 6.0,
) -> None:
    """Print microseconds of a batch, rows a second, and how many times as long ONNX Runtime takes."""
    torch.set_num_threads(1)
    torch_bundle = load_bundle(bundle)
    _, inputs = read_schema(bundle)
    scorer = OnnxScorer(bundle / ONNX, inputs, threads=1)
    schema = torch_bundle.builder.encoder.schema
    table = read(data, (*schema.names, schema.target), 2 * max(BATCHES))
    batch = table.combine_chunks().to_batches()[0]
    encoded = torch_bundle.builder.encoder.transform_batch(batch.select(list(schema.names)))
    trees = _trees(encoded, read_labels(table.column(schema.target)))
    shown = OptunaDashboardAttributes("batch", "what runs", "microseconds", "p99", "rows/s", "ONNX takes")
    for rows in BATCHES:
        few = batch.slice(0, rows)
        features = torch_bundle.builder.of_rows(_part(encoded, rows))
        feeds = {given.name: given.values(few.column(given.name)) for given in inputs}
        runs: dict[str, Callable[[], Any]] = {
            "ONNX Runtime, arrays of raw values": lambda feeds=feeds: scorer.run(feeds),
            "ONNX Runtime, an Arrow batch": lambda few=few: scorer.probabilities(few, source="", first_row=0),
            "torch, features": _network(torch_bundle, features),
            "torch, codes": _from_codes(torch_bundle, _part(encoded, rows)),
            "LightGBM, codes": lambda rows=rows: trees.predict(encoded.ids[:rows], num_threads=1),
        }
        times = _turns(runs, seconds)
        own = np.median(times["ONNX Runtime, arrays of raw values"])
        for name, taken in times.items():
            middle = np.median(taken)
            shown.add_row(
                str(rows),
                name,
                f"{1e6 * middle:,.0f}",
                f"{1e6 * np.quantile(taken, 0.99):,.0f}",
                f"{rows / middle:,.0f}",
                f"{own / middle:.2f} ×",
            )
    console().print(shown)


def _turns(runs: dict[str, Callable[[], Any]], seconds: float) -> dict[str, list[float]]:
    """Seconds of every run, one after the other, round by round."""
    for run in runs.values():
        run()
    times: dict[str, list[float]] = {name: [] for name in runs}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - start)
    return times


def _network(bundle: Bundle, features: Features) -> Callable[[], Any]:
    selected = bundle.network.select(features)

    @torch.inference_mode()
    def run() -> Any:
        return bundle.network(selected).sigmoid().numpy()

    return run


def _from_codes(bundle: Bundle, rows: EncodedRows) -> Callable[[], Any]:
    @torch.inference_mode()
    def run() -> Any:
        features = bundle.builder.of_rows(rows)
        return bundle.network(bundle.network.select(features)).sigmoid().numpy()

    return run


def _part(rows: EncodedRows, number: int) -> EncodedRows:
    bags = {name: bag[:number] for name, bag in rows.bags.items()}
    return EncodedRows(ids=rows.ids[:number], numbers=rows.numbers[:number], bags=bags)


def _trees(rows: EncodedRows, labels: np.ndarray) -> Any:
    data = lightgbm.Dataset(rows.ids, label=labels > 0, params={"verbosity": -1})
    return lightgbm.train(
        {"objective": "binary", "verbosity": -1, "num_threads": 1}, data, num_boost_round=TREES
    )


if __name__ == "__main__":
    typer.run(main)
