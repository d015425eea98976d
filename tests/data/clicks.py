"""A small table of clicks with every kind of field, and slow ways to encode it."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd

from autofi.data.dataset import EncodedDataset
from autofi.data.encoded_rows import EncodedRows
from autofi.data.schema import Field, FieldKind, Schema
from autofi.data.split import SplitSpec

SCHEMA = Schema(
    fields=(
        Field("site", FieldKind.CATEGORICAL),
        Field("user", FieldKind.CATEGORICAL, reads_as_number=True),
        Field("price", FieldKind.NUMERIC),
        Field("tags", FieldKind.MULTI_VALUED, separator=" "),
    ),
    target="click",
    weight="weight",
    group="user",
    split="part",
)
COLUMN = SplitSpec.parse("column")


def make_frame(rows: int = 600, seed: int = 0) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    tags = [
        " ".join(generator.choice(list("abcdefgh"), size=size)) for size in generator.integers(0, 5, rows)
    ]
    price = generator.lognormal(size=rows).round(2)
    price[generator.random(rows) < 0.1] = np.nan
    site = generator.choice(["s1", "s2", "s3", "rare", None], size=rows, p=[0.5, 0.3, 0.1, 0.01, 0.09])
    return pd.DataFrame(
        {
            "site": site,
            "user": generator.zipf(1.5, rows) % 1000,
            "price": price,
            "tags": tags,
            "click": generator.integers(0, 2, rows),
            "weight": generator.random(rows) + 0.1,
            "part": generator.choice(["train", "valid", "test"], rows, p=[0.7, 0.15, 0.15]),
            "ignored": "x",
        }
    )


FRAME = make_frame()


def slow_codes(values: list[str | None], train: list[str | None]) -> list[int]:
    counts = Counter(value for value in train if value is not None)
    order = sorted(counts, key=lambda value: (-counts[value], value))
    code = {value: place for place, value in enumerate(order, start=2)}
    return [0 if value is None else code.get(value, 1) for value in values]


def in_part_order(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([frame[frame["part"] == part] for part in ("train", "valid", "test")])


def assert_same_rows(left: EncodedRows | EncodedDataset, right: EncodedRows | EncodedDataset) -> None:
    assert np.array_equal(left.ids, right.ids)
    assert np.array_equal(left.numbers, right.numbers, equal_nan=True)
    assert left.bags.keys() == right.bags.keys()
    assert all(np.array_equal(left.bags[name], right.bags[name]) for name in left.bags)
