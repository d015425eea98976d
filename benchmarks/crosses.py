"""Cells of all pairs of a wide table, minimum count 10: `python -m benchmarks.crosses`, some minutes on one core.

The peers are `np.unique` on the pair's 64-bit code, pair by pair, and what string-based preprocessing does: a text per
row and pair, counted in a dictionary and sorted by falling count. That is timed on some pairs and scaled to all.
"""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from typing import Annotated

import numpy as np
import typer

from autofi.data.crosses import Crosses
from benchmarks.paired import Timing, alternate, print_timings
from benchmarks.tables import FIELDS, cardinalities, wide_table

MIN_COUNT = 10


def main(
    rows: Annotated[int, typer.Option(help="Training rows.")] = 800_000,
    rounds: Annotated[int, typer.Option(help="Timed rounds of every way.")] = 3,
    string_pairs: Annotated[int, typer.Option(help="Pairs that are crossed as text.")] = 8,
    threads: Annotated[int, typer.Option(help="Threads of AutoFI.")] = 1,
) -> None:
    """Print seconds of AutoFI, np.unique and texts, alternating, for all pairs."""
    table = wide_table(rows)
    ids = np.column_stack(
        [
            table.column(name).combine_chunks().dictionary_encode().indices.fill_null(0).to_numpy()
            for name in table.column_names[1:]
        ]
    ).astype(np.int32)
    sizes = [size + 2 for size in cardinalities()]
    pairs = list(combinations(range(FIELDS), 2))
    some = [pairs[place] for place in np.linspace(0, len(pairs) - 1, string_pairs, dtype=int)]
    texts = {field: table.column(1 + field).fill_null("").to_pylist() for pair in some for field in pair}

    def unique() -> None:
        for left, right in pairs:
            codes = ids[:, left].astype(np.int64) * sizes[right] + ids[:, right]
            values, counts = np.unique(codes, return_counts=True)
            values[counts >= MIN_COUNT]

    def strings() -> None:
        for left, right in some:
            counts = Counter(f"{one}_{other}" for one, other in zip(texts[left], texts[right], strict=True))
            ordered = sorted(counts.items(), key=lambda cell: (-cell[1], cell[0]))
            {text: place for place, (text, count) in enumerate(ordered, start=1) if count >= MIN_COUNT}

    ways = {
        "AutoFI": lambda: Crosses.fit(ids, sizes, pairs, min_count=MIN_COUNT, threads=threads),
        "np.unique": unique,
        "texts in a dictionary": strings,
    }
    first, second, third = alternate(ways, rounds=rounds)
    scaled = Timing(third.name, tuple(seconds * len(pairs) / len(some) for seconds in third.seconds))
    print_timings(f"{len(pairs)} crosses of {rows:,} rows", [first, second, scaled])


if __name__ == "__main__":
    typer.run(main)
