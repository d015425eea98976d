from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from autofi.data.dataset import EncodedDataset
from autofi.data.encode import encode
from autofi.data.schema import Schema
from autofi.readers import open_table
from tests.data.clicks import COLUMN, FRAME, SCHEMA, in_part_order


@pytest.fixture(scope="module")
def dataset() -> EncodedDataset:
    return encode(open_table(FRAME), SCHEMA, split=COLUMN)


def test_the_fingerprint_changes_with_the_data_the_schema_and_the_parts(dataset: EncodedDataset) -> None:
    prints = {dataset.fingerprint}
    changed = FRAME.copy()
    changed.loc[len(changed) - 1, "click"] = 1 - changed.loc[len(changed) - 1, "click"]
    prints.add(encode(open_table(changed), SCHEMA, split=COLUMN).fingerprint)
    prints.add(encode(open_table(FRAME), SCHEMA).fingerprint)
    prints.add(encode(open_table(FRAME), SCHEMA, seed=1).fingerprint)
    fewer = Schema(SCHEMA.fields[:3], "click", weight="weight", group="user", split="part")
    prints.add(encode(open_table(FRAME), fewer, split=COLUMN).fingerprint)
    assert len(prints) == 5
    assert encode(open_table(FRAME), SCHEMA).fingerprint in prints


def test_rows_are_stored_part_by_part_in_the_order_of_the_table(dataset: EncodedDataset) -> None:
    ordered = in_part_order(FRAME)
    sizes = FRAME["part"].value_counts()
    start = 0
    for part in ("train", "valid", "test"):
        assert dataset.parts[part] == slice(start, start + sizes[part])
        start += sizes[part]
    assert len(dataset) == start == len(FRAME)
    assert dataset.labels.tolist() == ordered["click"].tolist()
    assert dataset.weights is not None
    assert dataset.weights.tolist() == ordered["weight"].astype(np.float32).tolist()
    assert dataset.groups is not None
    assert len(np.unique(dataset.groups)) == FRAME["user"].nunique()
    assert (pd.Series(dataset.groups).groupby(ordered["user"].to_numpy()).nunique() == 1).all()
