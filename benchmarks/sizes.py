"""Bytes of a searched model beside one that memorizes every pair: `python -m benchmarks.sizes`, two minutes.

On generated data. The model that memorizes everything has the winner's sizes and settings; it is not trained, which
changes no byte.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table as OptunaDashboardAttributes

import autofi
from autofi.bundle.bundle import load_bundle, write_bundle
from autofi.cli.output import console
from autofi.data.encode import encode
from autofi.data.feature_builder import build_features
from autofi.data.planted import PlantedSpec, generate
from autofi.data.schema_inference import infer_schema
from autofi.export.export import export_bundle
from autofi.model.build import build_network
from autofi.readers import open_table

SEED = 0


def main(trials: Annotated[int, typer.Option(help="Of the search.")] = 2) -> None:
    """Print bytes of every form of both, and what the study has recorded of the winner."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        study = autofi.search(
            f"planted:seed={SEED}",
            space="optinter",
            storage=f"sqlite:///{folder / 'studies.db'}",
            trials=trials,
            seeds=1,
            baselines=(),
        )
        study.export(folder / "winner")
        recorded = study.summary()["winner"]
        _all_memorized(folder)
        shown = OptunaDashboardAttributes("", "winner", "all pairs memorized", "share")
        sizes = {name: _sizes(folder / name) for name in ("winner", "memorized")}
        for what, size in sizes["winner"].items():
            other = sizes["memorized"][what]
            shown.add_row(what, f"{size:,}", f"{other:,}", f"{size / other:.1%}")
        console().print(shown)
        console().print({key: recorded[key] for key in ("parameters", "table_bytes") if key in recorded})


def _all_memorized(folder: Path) -> None:
    winner = load_bundle(folder / "winner").architecture
    table = open_table(generate(PlantedSpec(seed=SEED)).table)
    dataset = encode(table, infer_schema(table, target="click").schema)
    names = dataset.encoder.schema.names
    builder, _ = build_features(dataset, list(combinations(range(len(names)), 2)))
    pairs: Mapping[Any, Any] = dict.fromkeys(combinations(names, 2), ("memorize_embedding",))
    architecture = replace(winner, pairs=pairs)
    network = build_network(architecture, builder, seed=0).eval()
    write_bundle(
        folder / "plain", architecture=architecture, builder=builder, network=network, metrics={}, origin={}
    )
    export_bundle(folder / "plain", folder / "memorized")


def _sizes(folder: Path) -> dict[str, int]:
    network = load_bundle(folder).network

    def held(*names: str) -> int:
        files = [path for name in names for path in sorted(folder.glob(name)) if path.is_file()]
        return sum(path.stat().st_size for path in files)

    return {
        "trained numbers": network.num_parameters(),
        "bytes of tables": network.table_bytes(),
        "model.onnx": held("model.onnx"),
        "model.pt2": held("model.pt2"),
        "weights and preprocessing": held("weights.safetensors", "preprocessing/*"),
        "the whole bundle": held("*", "preprocessing/*"),
    }


if __name__ == "__main__":
    typer.run(main)
