"""Cells of all pairs of a wide table, minimum count 10: `python -m benchmarks.crosses`, some minutes on 2 cores.

The peer is `np.unique` on the pair's 64-bit code, pair by pair; it is timed on every tenth pair and scaled.
"""

from __future__ import annotations

from itertools import combinations
from typing import Annotated

import numpy as np
import typer

from autofi.data.crosses import Crosses
from benchmarks.paired import alternate, print_timings
from benchmarks.tables import FIELDS, cardinalities, wide_table

MIN_COUNT = 10
SHARE = 10


def main(
    rows: Annotated[int, typer.Option(help="Training rows.")] = 800_000,
    rounds: Annotated[int, typer.Option(help="Timed rounds of every way.")] = 3,
) -> None:
    """Print seconds of np.unique and of AutoFI, alternating, for a tenth of all pairs."""
    table = wide_table(rows)
    ids = np.column_stack(
        [
            table.column(name).combine_chunks().dictionary_encode().indices.fill_null(0).to_numpy()
            for name in table.column_names[1:]
        ]
    ).astype(np.int32)
    sizes = [size + 2 for size in cardinalities()]
    pairs = list(combinations(range(FIELDS), 2))[::SHARE]

    def unique() -> None:
        for left, right in pairs:
            codes = ids[:, left].astype(np.int64) * sizes[right] + ids[:, right]
            values, counts = np.unique(codes, return_counts=True)
            values[counts >= MIN_COUNT]

    ways = {
        "np.unique": unique,
        "AutoFI, one thread": lambda: Crosses.fit(ids, sizes, pairs, min_count=MIN_COUNT, threads=1),
        "AutoFI": lambda: Crosses.fit(ids, sizes, pairs, min_count=MIN_COUNT),
    }
    print_timings(f"{len(pairs)} crosses of {rows:,} rows", alternate(ways, rounds=rounds))


if __name__ == "__main__":
    typer.run(main)
