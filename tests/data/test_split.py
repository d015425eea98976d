from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from autofi.data.reading import open_table
from autofi.data.schema import Field, FieldKind, Schema
from autofi.data.split import (
    GroupSplit,
    RandomSplit,
    SplitMethod,
    SplitSpec,
    Splitter,
    make_splitter,
)
from autofi.errors import ConfigError, DataError

SCHEMA = Schema((Field("x", FieldKind.CATEGORICAL),), "y", group="user", time="t", split="part")


def batch(**columns: list[object]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict(columns)


def assign(splitter: Splitter, frame: pd.DataFrame, *, size: int) -> np.ndarray:
    whole = pa.RecordBatch.from_pandas(frame)
    starts = range(0, len(frame), size)
    return np.concatenate([splitter.parts(whole.slice(start, size), start) for start in starts])


def split(text: str, frame: pd.DataFrame, *, seed: int = 0, size: int = 10**9) -> np.ndarray:
    spec = SplitSpec.parse(text).resolve(SCHEMA)
    return assign(make_splitter(spec, open_table(frame), seed=seed), frame, size=size)


@pytest.mark.parametrize(
    ("text", "method", "column", "fractions"),
    [
        ("random", "random", None, (0.8, 0.1, 0.1)),
        ("random:0.6,0.2,0.2", "random", None, (0.6, 0.2, 0.2)),
        ("random:0.75,0.25", "random", None, (0.75, 0.25, 0.0)),
        ("time:when", "time", "when", (0.8, 0.1, 0.1)),
        ("time", "time", None, (0.8, 0.1, 0.1)),
        ("time:when:0.7,0.1,0.2", "time", "when", (0.7, 0.1, 0.2)),
        ("time:0.7,0.1,0.2", "time", None, (0.7, 0.1, 0.2)),
        ("group:a:b", "group", "a:b", (0.8, 0.1, 0.1)),
        ("column:part", "column", "part", (0.8, 0.1, 0.1)),
        ("column", "column", None, (0.8, 0.1, 0.1)),
    ],
)
def test_a_split_is_read_from_its_text_and_back(
    text: str, method: str, column: str | None, fractions: tuple[float, float, float]
) -> None:
    spec = SplitSpec.parse(text)
    assert (spec.method, spec.column, spec.fractions) == (SplitMethod(method), column, fractions)
    assert SplitSpec.parse(str(spec)) == spec


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("randm", "did you mean 'random'"),
        ("random:0.8,0.1,0.2", "add up to 1"),
        ("random:0.9,0,0.1", "add up to 1"),
        ("random:0.5,0.2,0.2,0.1", "fractions of train, valid and test"),
        ("random:1e,2", "fractions"),
        ("random:day", "takes fractions only"),
        ("column:part:0.8,0.1,0.1", "takes no fractions"),
    ],
)
def test_a_wrong_text_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SplitSpec.parse(text)


def test_columns_come_from_the_schema_where_the_text_names_none() -> None:
    assert SplitSpec.parse("time").resolve(SCHEMA).column == "t"
    assert SplitSpec.parse("group").resolve(SCHEMA).column == "user"
    assert SplitSpec.parse("column").resolve(SCHEMA).column == "part"
    assert SplitSpec.parse("time:z").resolve(SCHEMA).column == "z"
    assert SplitSpec().resolve(SCHEMA).column is None
    with pytest.raises(ConfigError, match="write time:COLUMN"):
        SplitSpec.parse("time").resolve(Schema(SCHEMA.fields, "y"))


FRAME = pd.DataFrame(
    {
        "t": np.random.default_rng(0).integers(0, 300, 2000),
        "user": np.random.default_rng(1).integers(0, 400, 2000).astype(str),
        "part": np.random.default_rng(2).choice(["train", "Validation", "TEST", " dev"], 2000),
    }
)


@pytest.mark.parametrize("text", ["random", "time", "group", "column"])
def test_batches_of_any_size_give_the_same_parts(text: str) -> None:
    whole = split(text, FRAME)
    assert set(whole.tolist()) == {0, 1, 2}
    for size in (1, 7, 999):
        assert (split(text, FRAME, size=size) == whole).all()


@pytest.mark.parametrize("text", ["random", "group"])
def test_seeds_decide_and_shares_are_met(text: str) -> None:
    parts = split(text, FRAME, seed=5)
    assert np.bincount(parts) / len(FRAME) == pytest.approx([0.8, 0.1, 0.1], abs=0.05)
    assert (parts == split(text, FRAME, seed=5)).all()
    assert (parts != split(text, FRAME, seed=6)).any()


def test_two_fractions_leave_no_test_part() -> None:
    for text in ("random:0.9,0.1", "group:0.9,0.1", "time:0.9,0.1"):
        assert set(split(text, FRAME).tolist()) == {0, 1}


def test_random_parts_do_not_change_between_versions() -> None:
    parts = RandomSplit((0.5, 0.25, 0.25), 7).parts(batch(x=[0] * 12), 100)
    assert parts.tolist() == [0, 1, 0, 0, 0, 1, 0, 0, 2, 1, 0, 0]


def test_all_rows_of_a_group_are_in_one_part() -> None:
    parts = split("group", FRAME)
    assert FRAME.assign(parts=parts).groupby("user")["parts"].nunique().max() == 1


def test_groups_are_split_alike_as_texts_and_numbers() -> None:
    splitter = GroupSplit("user", (0.8, 0.1, 0.1), 0)
    texts = splitter.parts(batch(user=[str(n) for n in range(200)]), 0)
    assert (texts == splitter.parts(batch(user=list(range(200))), 0)).all()


@pytest.mark.parametrize("text", ["time", "time:0.5,0.3,0.2"])
def test_later_times_are_in_later_parts_and_ties_together(text: str) -> None:
    parts = split(text, FRAME)
    times = [FRAME["t"][parts == part] for part in range(3)]
    assert times[0].max() < times[1].min()
    assert times[1].max() < times[2].min()
    fractions = SplitSpec.parse(text).fractions
    assert np.bincount(parts) / len(FRAME) == pytest.approx(fractions, abs=0.01)


def test_a_heavy_time_still_leaves_rows_for_every_part() -> None:
    assert split("time", pd.DataFrame({"t": [1] * 98 + [2, 3]})).tolist() == [0] * 98 + [1, 2]
    assert split("time", pd.DataFrame({"t": [1, 2] + [3] * 98})).tolist() == [0, 1] + [2] * 98


def test_times_may_be_dates_in_text() -> None:
    days = pd.date_range("2024-01-25", periods=10).strftime("%Y-%m-%d")
    assert split("time", pd.DataFrame({"t": days[::-1]})).tolist() == [2, 1] + [0] * 8


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ([1, 2, 2], "at least 3 different times: column 't' of .* has 2"),
        ([1.0, 2.0, None], "column 't' has none in row 3"),
        (["1", "2", "x"], "found 'x' in row 3"),
    ],
)
def test_unusable_times_are_refused(times: list[object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        split("time", pd.DataFrame({"t": times}))


def test_part_names_are_read_in_any_case() -> None:
    names = ["train", "TRAIN", "valid", "Validation", "val", "dev", "test"]
    assert split("column", pd.DataFrame({"part": names})).tolist() == [0, 0, 1, 1, 1, 1, 2]


def test_without_validation_rows_a_tenth_of_the_training_rows_validates() -> None:
    parts = split("column", pd.DataFrame({"part": ["train"] * 1500 + ["test"] * 500}))
    assert np.bincount(parts[:1500]) / 1500 == pytest.approx([0.9, 0.1], abs=0.03)
    assert (parts[1500:] == 2).all()


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["train", "holdout"], "column 'part' has 'holdout' in row 2"),
        (["train", None], "column 'part' has None in row 2"),
        ([0, 1], "column 'part' has '0' in row 1"),
        (["valid", "test"], "has it in no row"),
    ],
)
def test_unusable_part_names_are_refused(names: list[object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        split("column", pd.DataFrame({"part": names}))


def test_an_unresolved_split_is_not_taken_for_a_random_one() -> None:
    with pytest.raises(ValueError, match="names no column"):
        make_splitter(SplitSpec.parse("group"), open_table(FRAME), seed=0)


def test_a_missing_column_is_named() -> None:
    with pytest.raises(DataError, match="needs column 'when'.*Known: t"):
        split("time:when", pd.DataFrame({"t": [1, 2, 3]}))
