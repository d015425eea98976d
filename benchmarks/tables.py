"""Tables to measure on: as wide and as skewed as the public logs of advertising, generated and kept beside the run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from autofi.core.atomic_file import atomic_path

FIELDS = 39
#: How skewed values are: the share of the r-th most frequent value falls as r to this power.
SKEW = 1.05
SEED = 20260101
#: Log-odds of a row: deviation of every field's effect, and of the product of two neighbouring fields'.
FIELD_EFFECT, PAIR_EFFECT = 0.2, 0.4


def cardinalities(fields: int = FIELDS) -> list[int]:
    """From 4 to 300,000 values, evenly on a logarithmic scale: a few wide fields hold most of the vocabulary."""
    return [int(size) for size in np.geomspace(4, 300_000, fields)]


def skewed_codes(
    generator: np.random.Generator, rows: int, size: int, *, skew: float = SKEW
) -> NDArray[np.int64]:
    """Codes `[rows]` from 0 to `size` - 1, the most frequent first."""
    shares = np.arange(1, size + 1, dtype=float) ** -skew
    drawn = np.searchsorted(np.cumsum(shares / shares.sum()), generator.random(rows))
    return np.minimum(drawn, size - 1)


def wide_codes(
    rows: int, *, fields: int = FIELDS, seed: int = SEED
) -> tuple[NDArray[np.int32], NDArray[np.int8]]:
    """Codes `[rows, fields]` with Zipf frequencies from 0, and clicks that follow every field and some products."""
    generator = np.random.default_rng(seed)
    codes = np.empty((rows, fields), dtype=np.int32)
    effects = np.empty((rows, fields), dtype=np.float32)
    for field, size in enumerate(cardinalities(fields)):
        codes[:, field] = skewed_codes(generator, rows, size)
        effects[:, field] = generator.standard_normal(size)[codes[:, field]]
    products = effects[:, :-1:3] * effects[:, 1::3]
    logits = FIELD_EFFECT * effects.sum(1) + PAIR_EFFECT * products.sum(1) - 1.0
    return codes, (generator.random(rows) < 1 / (1 + np.exp(-logits))).astype(np.int8)


def wide_table(rows: int, *, fields: int = FIELDS, seed: int = SEED) -> pa.Table:
    """`click` and `fields` columns of strings, one per cent of them missing."""
    codes, clicks = wide_codes(rows, fields=fields, seed=seed)
    generator = np.random.default_rng(seed + 1)
    columns: dict[str, pa.Array] = {"click": pa.array(clicks)}
    for field, size in enumerate(cardinalities(fields)):
        names = pa.array([f"{field:x}{value:07x}" for value in range(size)])
        indices = pa.array(codes[:, field], mask=generator.random(rows) < 0.01)
        columns[f"f{field:02d}"] = pa.DictionaryArray.from_arrays(indices, names).cast(pa.string())
    return pa.table(columns)


def wide_parquet(folder: Path, rows: int, *, fields: int = FIELDS) -> Path:
    """The table as a Parquet file, made once."""
    path = folder / f"wide-{rows}x{fields}.parquet"
    if not path.exists():
        with atomic_path(path) as part:
            pq.write_table(wide_table(rows, fields=fields), part)
    return path


def parquet_parts(path: Path, folder: Path) -> dict[str, str]:
    """Write the rows of a file in three, eight tenths of them to train; returns a path per part."""
    table = pq.read_table(path)
    cuts = [0, table.num_rows * 8 // 10, table.num_rows * 9 // 10, table.num_rows]
    parts = {}
    for part, start, end in zip(("train", "valid", "test"), cuts[:-1], cuts[1:], strict=True):
        parts[part] = str(folder / f"{part}.parquet")
        pq.write_table(table.slice(start, end - start), parts[part])
    return parts


def encoded_parts(folder: Path, rows: int, *, test_rows: int, fields: int = FIELDS) -> list[int]:
    """Write `train.npz` and `test.npz`, a column per field and `click`; returns the codes of every field.

    1 is a value seen less than twice in training, 0 (missing) never occurs: what encoders of both sides give.
    """
    codes, clicks = wide_codes(rows + test_rows, fields=fields)
    sizes = []
    for field in range(fields):
        counts = np.bincount(codes[:rows, field], minlength=codes[:, field].max() + 1)
        known = np.cumsum(counts >= 2) + 1
        codes[:, field] = np.where(counts >= 2, known, 1)[codes[:, field]]
        sizes.append(int(known[-1]) + 1)
    for part, chosen in (("train", slice(0, rows)), ("test", slice(rows, None))):
        columns = {f"f{field:02d}": codes[chosen, field].astype(np.int64) for field in range(fields)}
        np.savez(folder / f"{part}.npz", click=clicks[chosen].astype(np.int64), **columns)
    return sizes
