"""AutoFI's training loop on the same rows, driven by `talk`."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from autofi.model.network import Network
from autofi.operators.base import Shapes, Sizes
from autofi.space.head_config import HeadSizes
from autofi.training.optimizers import make_optimizers
from autofi.training.predict import predict
from autofi.training.row_source import Rows
from autofi.training.step import train_rows
from benchmarks.workers.talk import serve

HIDDEN = (400, 400, 400)
STREAMS: dict[str, dict[str, dict[str, Any]]] = {
    "dnn": {},
    "deepfm": {"linear": {}, "fm": {}},
    "dcnv2": {"cross_network": {"layers": 3}},
    "autoint": {"self_attention": {"layers": 3, "width": 64, "heads": 2}},
    "finalmlp": {"two_streams": {"first": HIDDEN, "second": HIDDEN}},
}


class Own:
    """The loop of `training.fit`: batches of shuffled rows, one step each."""

    def __init__(self, request: dict[str, Any]) -> None:
        torch.set_num_threads(request["threads"])
        self.generator = torch.Generator().manual_seed(request["seed"])
        self.batch_size = request["batch_size"]
        self.train, self.test = (_rows(Path(request["work"]) / f"{part}.npz") for part in ("train", "test"))
        torch.manual_seed(request["seed"])
        self.network = _network(request["model"], tuple(request["cardinalities"]), request["dim"])
        self.optimizers = make_optimizers(self.network, 1e-3, 0.0)
        self.order = self._endless()

    def _endless(self) -> Iterator[Rows]:
        while True:
            (period,) = self.train.shuffled(self.generator)
            yield from self.train.batches(period, self.batch_size)

    def steps(self, count: int) -> None:
        train_rows(self.network, itertools.islice(self.order, count), self.optimizers)

    def probabilities(self) -> np.ndarray:
        for optimizer in self.optimizers:
            optimizer.catch_up_all()
        return predict(self.network, self.test)


def _rows(path: Path) -> Rows:
    with np.load(path) as stored:
        names = sorted(name for name in stored.files if name != "click")
        codes = np.column_stack([stored[name] for name in names]).astype(np.int32)
        return Rows(
            {"embedding": torch.from_numpy(codes)}, torch.from_numpy(stored["click"].astype(np.float32))
        )


def _network(model: str, cardinalities: tuple[int, ...], dim: int) -> Network:
    fields = range(len(cardinalities))
    shapes = Shapes(
        names=tuple(f"f{field:02d}" for field in fields),
        cardinalities=cardinalities,
        kept=cardinalities,
        prior=0.5,
    )
    head = HeadSizes("none", hidden=()) if model == "finalmlp" else HeadSizes(hidden=HIDDEN)
    return Network(
        {"embedding": [(field,) for field in fields]},
        shapes,
        Sizes(embedding_dim=dim),
        head,
        streams=STREAMS[model],
    )


if __name__ == "__main__":
    serve(Own)
