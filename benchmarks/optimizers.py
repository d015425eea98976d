"""One step of a lookup table, whole and by row: `python -m benchmarks.optimizers`, a minute on one thread.

`operators.base.LARGE_TABLE` says which tables are updated by row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import numpy as np
import torch
import typer
from torch import Tensor, nn

from autofi.training.optimizers import DenseAdam, TableTrainer
from autofi.training.sparse_adam import RowAdam
from benchmarks.paired import alternate, print_timings

ROWS = (10_000, 60_000, 250_000, 1_200_000)
STEPS = 20


def main(
    batch: Annotated[int, typer.Option(help="Rows of a batch.")] = 4096,
    fields: Annotated[int, typer.Option(help="Look-ups of a row.")] = 39,
    dim: Annotated[int, typer.Option(help="Width of the table.")] = 16,
    l2: Annotated[float, typer.Option(help="L2 on the table.")] = 1e-3,
    rounds: Annotated[int, typer.Option(help="Timed rounds of every way.")] = 3,
) -> None:
    """Print seconds of some steps over tables of growing length, alternating."""
    torch.set_num_threads(1)
    for rows in ROWS:
        generator = np.random.default_rng(0)
        codes = [
            torch.from_numpy(np.minimum(generator.zipf(1.15, (batch, fields)), rows) - 1) for _ in range(6)
        ]
        whole, apart = (nn.Parameter(0.01 * torch.randn(rows, dim)) for _ in range(2))
        dense = DenseAdam([{"params": [whole], "weight_decay": l2}], 1e-3)
        ways = {
            "dense": _steps(whole, dense, codes, sparse=False),
            "by row": _steps(apart, RowAdam(apart, 1e-3, l2), codes, sparse=True),
        }
        print_timings(f"{STEPS} steps of {rows:,} x {dim}", alternate(ways, rounds=rounds))


def _steps(
    table: nn.Parameter, optimizer: TableTrainer, codes: list[Tensor], *, sparse: bool
) -> Callable[[], None]:
    gradient = torch.randn(*codes[0].shape, table.shape[1])

    def work() -> None:
        for step in range(STEPS):
            chosen = codes[step % len(codes)]
            optimizer.zero_grad()
            if isinstance(optimizer, RowAdam):
                optimizer.catch_up(chosen)
            nn.functional.embedding(chosen, table, sparse=sparse).backward(gradient)
            optimizer.step()

    return work


if __name__ == "__main__":
    typer.run(main)
