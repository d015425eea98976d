"""One point of `benchmarks.growth` in a process of its own: seconds and peak memory of every piece, as one JSON object.

The arguments are a Parquet file and the bytes of its rows that are held while it is read, or nothing for what a
process takes before it has any rows.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections.abc import Callable
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any, TypeVar

import torch

from autofi.core.device import pick_device
from autofi.core.memmap import memory_limit
from autofi.data.cross_codes import DIRECT_CELLS
from autofi.data.dataset import EncodedDataset
from autofi.data.feature_builder import BYTES_PER_SORTED_ROW, FeatureBuilder, threads_for
from autofi.data.features import Features
from autofi.data.load import open_data
from autofi.data.planted import PlantedSpec, generate
from autofi.evaluation.single_point import baseline
from autofi.evaluation.workbench import Workbench
from autofi.model.build import shapes_of
from autofi.model.network import Network
from autofi.operators.base import LARGE_TABLE, Sizes
from autofi.space.head_config import HeadSizes
from autofi.store.search_settings import SearchSettings
from autofi.supernet.context import HIDDEN
from autofi.supernet.path_training import train_by_paths
from autofi.supernet.supernet import Slot, Supernet
from autofi.training.place_rows import WINDOW_SHARE, bytes_per_row, rows_for
from autofi.training.predict import SCORING_ROWS
from autofi.training.row_source import Rows
from autofi.training.sparse_adam import RowAdam

BATCH = 1024
OPTIONS = ((), ("memorize_embedding",), ("factorize_hadamard",))
STATUS = Path("/proc/self/status")
#: Written there, the peak of the resident memory starts anew.
RESET = Path("/proc/self/clear_refs")

Found = TypeVar("Found")


def measured(points: dict[str, Any], piece: str, work: Callable[[], Found]) -> Found:
    """Run a piece; its seconds of processor time, which other work disturbs least, and its peak go to `points`."""
    RESET.write_text("5")
    begun = time.process_time()
    found = work()
    points[piece] = {"seconds": time.process_time() - begun, "peak": peak()}
    return found


def peak() -> int:
    """Bytes of the largest resident memory since it started anew."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) << 10


def pieces(path: str, raw: int) -> dict[str, Any]:
    """Everything that a search does with rows, once: encode, build features, train both kinds of networks."""
    points: dict[str, Any] = {}
    dataset = measured(points, "encode", lambda: open_data(path, SearchSettings(path, target="click")))
    encoded = sum(a.nbytes for a in (dataset.ids, dataset.numbers, dataset.labels))
    bench = Workbench(dataset, device=pick_device("cpu"), seed=0)
    pairs = list(combinations(range(dataset.ids.shape[1]), 2))
    measured(points, "features", lambda: bench.prepare(pairs))
    architecture = baseline("all-memorize", bench)
    once = dataclasses.replace(architecture.training, batch_size=BATCH, epochs=1)
    architecture = dataclasses.replace(architecture, training=once)
    builder, features = bench.features(architecture)
    assert features.crosses is not None and features.statistics is not None
    points["encode"]["bound"] = _in_memory(encoded) + raw
    together = (
        _in_memory(encoded)
        + _in_memory(features.crosses.nbytes + features.statistics.nbytes)
        + cells(builder)
    )
    points["features"]["bound"] = together + counting(len(dataset))

    shapes = shapes_of(builder, min_count=2, cross_min_count=2)
    slots = [Slot((field,), (("embedding",),)) for field in range(len(shapes.names))]
    supernet = Supernet(
        [*slots, *(Slot(pair, OPTIONS) for pair in pairs)], shapes, Sizes(), HeadSizes(hidden=HIDDEN)
    )
    measured(points, "supernet", partial(train_supernet, supernet, features, dataset))
    points["supernet"]["bound"] = together + needed(supernet, features)
    del supernet
    network = measured(points, "scratch", lambda: bench.train(architecture, seed=0)).network
    points["scratch"]["bound"] = together + needed(network, features)
    return {"rows": len(dataset), "pairs": len(pairs), "points": points}


def train_supernet(supernet: Supernet, features: Features, dataset: EncodedDataset) -> None:
    """One epoch by random paths."""
    train_by_paths(
        supernet,
        rows_for(supernet, features, dataset.labels),
        index=torch.arange(dataset.parts["train"].stop),
        epochs=1,
        learning_rate=1e-3,
        embedding_l2=1e-5,
        batch_size=BATCH,
        generator=torch.Generator().manual_seed(0),
    )


def needed(network: Network, features: Features) -> int:
    """What training may take beside encoded rows: rows as operators read them, three times the tables, one batch."""
    # While an operator selects, what it reads is there twice.
    selected = 2 * bytes_per_row(network, features) * len(features)
    # Of windows two are held, and blocks of the next are on their way through the operators.
    window = int(3 * WINDOW_SHARE * memory_limit())
    tables = 3 * network.table_bytes()
    return (selected if selected <= 2 * memory_limit() else window) + tables + batch(network, features)


def counting(rows: int) -> int:
    """What counting the cells of a column holds, in every thread, beside what each fold needs once."""
    tables = 12 * DIRECT_CELLS
    return threads_for(rows) * (BYTES_PER_SORTED_ROW * rows + tables) + 32 * rows


def cells(builder: FeatureBuilder) -> int:
    """The fitted cells of crosses and statistics."""
    crosses = sum(
        one.codes.nbytes + one.local_rows.nbytes + one.counts.nbytes for one in builder.crosses.cells
    )
    return crosses + sum(
        one.codes.nbytes + one.counts.nbytes + one.clicks.nbytes for one in builder.statistics.cells
    )


def batch(network: Network, features: Features) -> int:
    """What autograd keeps of one batch, and as much again for its gradients; or two layers of one that is scored."""
    rows = Rows(network.select(features.rows(slice(0, BATCH))), torch.zeros(BATCH))
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    own = {parameter.untyped_storage().data_ptr() for parameter in network.parameters()}
    network.train()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        network(rows.selected).sum()
    trained = 2 * sum(size for place, size in kept.items() if place not in own)
    return max(trained, 2 * 4 * SCORING_ROWS * network.head.columns)


def warm_up() -> None:
    """Everything that is loaded or compiled once."""
    spec = PlantedSpec(rows=3000)
    bench = Workbench(
        open_data(generate(spec).table, SearchSettings(None, target="click")),
        device=pick_device("cpu"),
        seed=0,
    )
    architecture = baseline("all-memorize", bench)
    once = dataclasses.replace(architecture.training, batch_size=BATCH, epochs=1)
    bench.train(dataclasses.replace(architecture, training=once), seed=0)
    table = torch.nn.Parameter(torch.zeros(LARGE_TABLE // 8 + 1, 8))
    optimizer = RowAdam(table, 1e-3, 1e-5)
    for _ in range(2):
        torch.nn.functional.embedding(torch.arange(8), table, sparse=True).sum().backward()
        optimizer.step()
    optimizer.release()


def _in_memory(size: int) -> int:
    return size if size <= memory_limit() else 0


if __name__ == "__main__":
    torch.set_num_threads(1)
    warm_up()
    base = peak()
    found = pieces(sys.argv[1], int(float(sys.argv[2]))) if len(sys.argv) > 1 else {}
    print(json.dumps(found | {"base": base}))
