"""Keeps a bundle of the current format for good: `python -m tests.export.make_version_asset`, once per format.

`versions/vN/` holds a small bundle in every form, `rows.csv`, and the `probabilities.json` that its own network gave
those rows when it was made.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import torch

from autofi.bundle.bundle import write_bundle
from autofi.bundle.load import load
from autofi.bundle.manifest import VERSION
from autofi.data.boosted_trees import BoostedTrees, Boosting
from autofi.data.encode import encode
from autofi.data.feature_builder import build_features
from autofi.data.schema_inference import infer_schema
from autofi.data.schema_overrides import SchemaOverrides
from autofi.export.export import export_bundle
from autofi.metrics.calibrators import Calibration, Platt
from autofi.model.build import build_network
from autofi.operators.base import Sizes
from autofi.readers import open_table
from autofi.space.architecture import Architecture
from autofi.space.head_config import HeadSizes
from tests.export.models import model_of

VERSIONS = Path(__file__).parent / "versions"
EVERY_OPERATOR = "_every_operator"
#: Others have a megabyte of weights.
SMALL_STREAMS = ("linear", "fm")
ROWS = 400
KEPT_ROWS = 20
BOOSTING = Boosting(leaves=3, learning_rate=0.3)
#: Of the network's own logit and of the trees', and the intercept.
BOOSTED_WEIGHTS = (0.7, 0.4, -0.3)
ARCHITECTURE = Architecture(
    fields={
        "color": ("embedding",),
        "id": ("embedding", "statistics"),
        "price": ("piecewise_linear", "embedding"),
        "tags": ("bag",),
    },
    pairs={
        ("color", "id"): ("memorize_embedding", "factorize_hadamard"),
        ("id", "price"): ("memorize_statistics",),
    },
    sizes=Sizes(embedding_dim=4, cross_dim=2, factor_dim=2),
    head=HeadSizes(hidden=(8,)),
    streams={"cross_network": {}},
    boosting=BOOSTING,
    min_count=2,
    cross_min_count=2,
)
TREES_ALONE = ARCHITECTURE.without_network()


@dataclass(frozen=True)
class Calibrated:
    calibration: Calibration = field(default_factory=lambda: Platt(slope=0.8, intercept=-0.3))

    def metrics(self) -> dict[str, Any]:
        return {"calibration": self.calibration.to_json()}


def make_rows() -> pa.Table:
    """Every kind of field, each with missing values."""
    generator = np.random.default_rng(0)
    return pa.table(
        {
            "color": generator.choice(["red", "blue", "green", None], ROWS).tolist(),
            "id": generator.integers(0, 30, ROWS),
            "price": pa.array(generator.lognormal(size=ROWS).round(2), mask=generator.random(ROWS) < 0.1),
            "tags": [
                "|".join(generator.choice(list("abcd"), size)) for size in generator.integers(0, 3, ROWS)
            ],
            "click": generator.integers(0, 2, ROWS),
        }
    )


def with_times(table: pa.Table) -> pa.Table:
    """The rows and one more field: moments, some of them missing."""
    generator = np.random.default_rng(1)
    seconds = np.datetime64("2026-01-01T00:00:00", "s") + generator.integers(0, 30 * 86_400, ROWS)
    return table.append_column("when", pa.array(seconds, mask=generator.random(ROWS) < 0.1))


def kept_rows(table: pa.Table) -> pa.Table:
    """Rows of training, and two of values that training had not."""
    strange = {
        "color": ["unseen", None],
        "id": [999, None],
        "price": [1e300, None],
        "tags": ["zzz|a", ""],
        "click": [1, 0],
        "when": [datetime(1970, 1, 1), None],
    }
    fresh = pa.table({name: strange[name] for name in table.column_names}, schema=table.schema)
    return pa.concat_tables([table.slice(0, KEPT_ROWS), fresh])


def write_source(
    folder: Path,
    table: pa.Table,
    *,
    architecture: Architecture = ARCHITECTURE,
    boosted_weights: tuple[float, float, float] = BOOSTED_WEIGHTS,
) -> None:
    """A bundle as a study keeps it, of weights that are drawn and not trained."""
    opened = open_table(table)
    overrides = SchemaOverrides(categorical=("id",), numeric=("price",), multi_valued={"tags": "|"})
    dataset = encode(opened, infer_schema(opened, target="click", overrides=overrides).schema)
    builder, _ = build_features(dataset, [(0, 1), (1, 2)])
    trees = BoostedTrees.fit(BOOSTING, dataset.rows("train"), dataset.encoder.cardinalities, seed=0)
    builder = replace(builder, boosted=trees)
    network = build_network(architecture, builder, seed=1)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for value in network.state_dict().values():
            if value.is_floating_point():
                value.add_(0.3 * torch.randn(value.shape, generator=generator))
        assert network.boosted_weights is not None
        network.boosted_weights.copy_(torch.tensor(boosted_weights))
    write_bundle(
        folder,
        architecture=architecture,
        builder=builder,
        network=network.eval(),
        metrics={"valid": {"auc": 0.5}},
        origin={"study": "asset"},
    )


def release(folder: Path) -> None:
    """A bundle in every form, calibrated."""
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / "source"
        write_source(source, make_rows())
        export_bundle(source, folder, calibrated=Calibrated())


def release_every_operator(folder: Path) -> None:
    """A bundle with every operator of fields and pairs and with two streams, in fewer forms."""
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / "source"
        overrides = SchemaOverrides(categorical=("id",), numeric=("price",), multi_valued={"tags": "|"})
        table = open_table(with_times(make_rows()))
        model_of(table, overrides, streams=SMALL_STREAMS, most_pairs=10).write(source, profiled=True)
        export_bundle(source, folder, forms=("onnx", "torch"), calibrated=Calibrated())


def release_trees_alone(folder: Path) -> None:
    """A bundle of boosted trees whose network has no share."""
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / "source"
        write_source(source, make_rows(), architecture=TREES_ALONE, boosted_weights=(0.0, 0.9, -0.2))
        export_bundle(source, folder)


def keep(asset: Path, write: Callable[[Path], None], table: pa.Table) -> None:
    """Write a bundle, rows of the table, and the probabilities of these rows."""
    asset.mkdir(parents=True, exist_ok=True)
    write(asset / "bundle")
    pyarrow.csv.write_csv(kept_rows(table), asset / "rows.csv")
    found = load(asset / "bundle", runtime="torch").predict_proba(asset / "rows.csv")
    (asset / "probabilities.json").write_text(json.dumps(found.tolist(), indent=1) + "\n")


def main() -> None:
    keep(VERSIONS / f"v{VERSION}", release, make_rows())
    keep(VERSIONS / f"v{VERSION}{EVERY_OPERATOR}", release_every_operator, with_times(make_rows()))
    keep(VERSIONS / f"v{VERSION}_trees_alone", release_trees_alone, make_rows())


if __name__ == "__main__":
    main()
