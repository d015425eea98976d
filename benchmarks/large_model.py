"""A model beyond 2 GB, exported and scored: `python -m benchmarks.large_model FOLDER`; it takes 12 GB of memory.

One table of 5,000 rows and 120,000 columns, which no protobuf holds.
"""

from __future__ import annotations

import resource
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
import typer
from rich.table import Table as OptunaDashboardAttributes

import autofi
from autofi.bundle.bundle import write_bundle
from autofi.cli.output import console
from autofi.data.encode import encode
from autofi.data.feature_builder import build_features
from autofi.data.schema_inference import infer_schema
from autofi.data.schema_overrides import SchemaOverrides
from autofi.export.export import export_bundle
from autofi.model.build import build_network
from autofi.operators.base import Sizes
from autofi.readers import open_table
from autofi.space.architecture import Architecture
from autofi.space.head_config import HeadSizes

ROWS, VALUES, WIDTH = 20_000, 5_000, 120_000


def main(
    folder: Annotated[Path, typer.Argument(help="Folder to write; 5 GB, left there.")],
) -> None:
    """Print sizes, seconds and the largest difference between ONNX Runtime and torch."""
    g = np.random.default_rng(0)
    items = pa.array([f"i{value}" for value in g.integers(0, VALUES, ROWS)])
    rows = pa.table({"item": items, "click": g.integers(0, 2, ROWS)})
    table = open_table(rows)
    overrides = SchemaOverrides(categorical=["item"])
    builder, _ = build_features(
        encode(table, infer_schema(table, target="click", overrides=overrides).schema), []
    )
    architecture = Architecture(
        fields={"item": ("embedding",)},
        sizes=Sizes(embedding_dim=WIDTH),
        head=HeadSizes(name="linear"),
        min_count=1,
    )
    network = build_network(architecture, builder, seed=0).eval()
    write_bundle(
        folder / "trained",
        architecture=architecture,
        builder=builder,
        network=network,
        metrics={},
        origin={},
    )
    begun = time.perf_counter()
    export_bundle(folder / "trained", folder / "model", forms=("onnx", "torch"))
    seconds = time.perf_counter() - begun
    few = rows.slice(0, 200).drop_columns(["click"])
    onnx, torch = (
        autofi.load(folder / "model", runtime=runtime).predict_proba(few) for runtime in ("onnx", "torch")
    )
    shown = OptunaDashboardAttributes("", "")
    shown.add_row("bytes of tables", f"{network.table_bytes():,}")
    for name in ("model.onnx", "model.onnx.data"):
        shown.add_row(name, f"{(folder / 'model' / name).stat().st_size:,}")
    shown.add_row("seconds of the export", f"{seconds:.0f}")
    shown.add_row("GB of memory at most", f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f}")
    shown.add_row("largest difference", f"{np.abs(onnx - torch).max():.2g}")
    console().print(shown)


if __name__ == "__main__":
    typer.run(main)
