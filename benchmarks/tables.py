"""Tables to measure on: as wide and as skewed as the public logs of advertising, generated and kept beside the run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

FIELDS = 39
#: How skewed values are: the share of the r-th most frequent value falls as r to this power.
SKEW = 1.05


def cardinalities(fields: int = FIELDS) -> list[int]:
    """From 4 to 300,000 values, evenly on a logarithmic scale: a few wide fields hold most of the vocabulary."""
    return [int(size) for size in np.geomspace(4, 300_000, fields)]


def wide_table(rows: int, *, fields: int = FIELDS, seed: int = 20260101) -> pa.Table:
    """`click` and `fields` columns of strings with Zipf frequencies and one per cent of missing cells."""
    generator = np.random.default_rng(seed)
    columns: dict[str, pa.Array] = {"click": pa.array((generator.random(rows) < 0.33).astype(np.int8))}
    for number, size in enumerate(cardinalities(fields)):
        shares = np.arange(1, size + 1, dtype=float) ** -SKEW
        codes = np.searchsorted(np.cumsum(shares / shares.sum()), generator.random(rows)).astype(np.int32)
        names = pa.array([f"{number:x}{value:07x}" for value in range(size)])
        absent = generator.random(rows) < 0.01
        indices = pa.array(np.minimum(codes, size - 1), mask=absent)
        columns[f"f{number:02d}"] = pa.DictionaryArray.from_arrays(indices, names).cast(pa.string())
    return pa.table(columns)


def wide_parquet(folder: Path, rows: int, *, fields: int = FIELDS) -> Path:
    """The table as a Parquet file, made once."""
    path = folder / f"wide-{rows}x{fields}.parquet"
    if not path.exists():
        part = path.with_suffix(".part")
        pq.write_table(wide_table(rows, fields=fields), part)
        part.replace(path)
    return path
