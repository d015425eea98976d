"""Rows and fields in figures are those that a data frame counts."""

from __future__ import annotations

import pandas as pd
import pytest

from autofi.checks.run import check_data
from autofi.data.encode import encode
from autofi.readers import open_table
from tests.data.clicks import COLUMN, FRAME, SCHEMA

DATASET = encode(open_table(FRAME), SCHEMA, split=COLUMN)
SUMMARY = check_data(DATASET).summary


@pytest.mark.parametrize("part", ["train", "valid", "test"])
def test_parts_have_their_rows_and_test_no_click_rate(part: str) -> None:
    rows = FRAME[FRAME["part"] == part]
    assert SUMMARY.parts[part].rows == len(rows)
    rate = SUMMARY.parts[part].click_rate
    assert rate is None if part == "test" else rate == pytest.approx(rows["click"].mean())


@pytest.mark.parametrize("name", ["site", "user", "tags"])
def test_a_field_is_what_a_data_frame_counts(name: str) -> None:
    column = FRAME[name].astype(object).where(FRAME[name].notna(), None)
    column = column.where(column != "", None)
    train, valid, test = (column[FRAME["part"] == part] for part in ("train", "valid", "test"))
    (found,) = [field for field in SUMMARY.fields if field.name == name]
    counts = train.value_counts()
    assert found.distinct == len(counts)
    assert found.missing == pytest.approx(train.isna().mean())
    assert found.top_share == pytest.approx(counts.iloc[0] / len(train))
    assert counts[[str(value) == found.top_value for value in counts.index]].tolist() == [counts.iloc[0]]
    known = set(counts.index)
    for share, part in ((found.unseen_valid, valid), (found.unseen_test, test)):
        assert share == pytest.approx(
            part.map(lambda value: not pd.isna(value) and value not in known).mean()
        )


def test_a_number_is_told_by_its_buckets() -> None:
    (found,) = [field for field in SUMMARY.fields if field.name == "price"]
    assert (found.kind, found.bucketed, found.top_value) == ("numeric", True, None)
    assert found.unseen_valid == 0.0
    price = FRAME.loc[FRAME["part"] == "train", "price"]
    assert found.missing == pytest.approx(price.isna().mean())
