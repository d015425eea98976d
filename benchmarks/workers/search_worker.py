"""AutoFI's search by gradient over all pairs, driven by `talk`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from autofi.operators.base import Shapes, Sizes
from autofi.space.head_config import HeadSizes
from autofi.supernet.differentiable import train_by_gradient
from autofi.supernet.supernet import Slot, Supernet
from autofi.training.row_source import Rows
from benchmarks.workers.talk import serve

OPTIONS = ((), ("factorize_hadamard",), ("memorize_embedding",))


class Search:
    """`train_by_gradient` with the published procedure, as a search runs it."""

    def __init__(self, request: dict[str, Any]) -> None:
        torch.manual_seed(request["seed"])
        torch.set_num_threads(request["threads"])
        with np.load(Path(request["work"]) / "search.npz") as stored:
            pairs = [(int(left), int(right)) for left, right in stored["pairs"]]
            code_rows = tuple(int(rows) for rows in stored["code_rows"])
            cell_rows = [int(rows) for rows in stored["cell_rows"]]
            codes, cells = torch.from_numpy(stored["codes"]), torch.from_numpy(stored["cells"])
            labels = torch.from_numpy(stored["labels"])
        fields = range(len(code_rows))
        shapes = Shapes(
            names=tuple(f"f{field:02d}" for field in fields),
            cardinalities=code_rows,
            kept=code_rows,
            cross_rows=dict(zip(pairs, cell_rows, strict=True)),
            prior=0.5,
        )
        slots = [Slot((field,), (("embedding",),)) for field in fields]
        slots += [Slot(pair, OPTIONS) for pair in pairs]
        head = HeadSizes(hidden=tuple(request["hidden"]), batch_norm=True)
        self.supernet = Supernet(slots, shapes, Sizes(20, 10, 10), head, shared=True)
        self.rows = Rows(
            {"embedding": codes, "factorize_hadamard": codes, "memorize_embedding": cells}, labels
        )
        self.batch, self.seed = request["batch_size"], request["seed"]
        self.generator = torch.Generator().manual_seed(self.seed)

    def steps(self, count: int) -> None:
        train_by_gradient(
            self.supernet,
            self.rows,
            weight_index=torch.arange(count * self.batch),
            epochs=1,
            learning_rate=1e-3,
            embedding_l2=3e-8,
            batch_size=self.batch,
            generator=self.generator,
            method="joint",
        )


if __name__ == "__main__":
    serve(Search)
