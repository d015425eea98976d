from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from autofi.data.schema import Field, FieldKind, Schema
from autofi.data.split import SplitMethod, SplitSpec, Splitter, make_splitter, shares_of
from autofi.errors import ConfigError, DataError
from autofi.readers import open_table

SCHEMA = Schema((Field("x", FieldKind.CATEGORICAL),), "y", group="user", time="t", split="part")


def batch(**columns: list[object]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict(columns)


def assign(splitter: Splitter, frame: pd.DataFrame, *, size: int) -> np.ndarray:
    whole = pa.RecordBatch.from_pandas(frame)
    starts = range(0, len(frame), size)
    return np.concatenate([splitter.parts(whole.slice(start, size), start) for start in starts])


def split(text: str, frame: pd.DataFrame, *, seed: int = 0, size: int = 10**9) -> np.ndarray:
    spec = SplitSpec.parse(text).resolve(SCHEMA)
    return assign(make_splitter(spec, open_table(frame), target="y", seed=seed), frame, size=size)


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
        ("column:1,2", "column", "1,2", (0.8, 0.1, 0.1)),
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
        ("random:day", "give fractions only"),
        ("column:part:0.8,0.1,0.1", "has fractions"),
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
        "y": np.random.default_rng(3).integers(0, 2, 2000),
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
    things = parts if text == "random" else FRAME.assign(part=parts).groupby("user")["part"].first()
    assert np.bincount(things) / len(things) == pytest.approx([0.8, 0.1, 0.1], abs=1 / len(things))
    assert (parts == split(text, FRAME, seed=5)).all()
    assert (parts != split(text, FRAME, seed=6)).any()


@pytest.mark.parametrize("fractions", ["0.8,0.1,0.1", "0.9,0.1", "0.34,0.33,0.33", "0.01,0.01,0.98"])
def test_clicks_and_others_are_shared_out_alike(fractions: str) -> None:
    clicked = np.random.default_rng(0).random(5000) < 0.03
    parts = split(f"random:{fractions}", pd.DataFrame({"y": clicked}))
    shares = [float(part) for part in fractions.split(",")]
    for label in (True, False):
        rows = int((clicked == label).sum())
        found = np.bincount(parts[clicked == label], minlength=len(shares))
        assert abs(found - rows * np.array(shares)).max() < 1.0


@pytest.mark.parametrize(
    ("clicks", "found"), [(1, [1, 0, 0]), (2, [1, 1, 0]), (3, [1, 1, 1]), (4, [2, 1, 1])]
)
def test_a_few_clicks_are_one_in_each_part_first(clicks: int, found: list[int]) -> None:
    for seed in range(20):
        labels = np.random.default_rng(seed).permutation(np.arange(2000) < clicks)
        parts = split("random", pd.DataFrame({"y": labels}), seed=seed)
        assert np.bincount(parts[labels], minlength=3).tolist() == found


def test_shares_add_up_and_leave_no_part_empty() -> None:
    for fractions in ((0.8, 0.1, 0.1), (0.5, 0.01, 0.49), (0.9, 0.1, 0.0), (0.98, 0.01, 0.01)):
        for count in range(60):
            shares = shares_of(count, fractions)
            assert sum(shares) == count
            asked = [share for share, fraction in zip(shares, fractions, strict=True) if fraction > 0]
            assert all(asked[:count])
            assert sum(share for share, part in zip(shares, fractions, strict=True) if part == 0) == 0
    assert shares_of(1000, (0.8, 0.1, 0.1)) == [800, 100, 100]


@pytest.mark.parametrize(
    ("labels", "others"),
    [
        ([True, False], [1, 0]),
        (["true", "false"], ["1", "0"]),
        ([1, -1], ["1.0", "-1.0"]),
        ([1.0, 0.0], ["TRUE", "False"]),
    ],
)
def test_the_spelling_of_labels_does_not_matter(labels: list[object], others: list[object]) -> None:
    clicked = np.random.default_rng(0).random(500) < 0.2
    found = [
        split("random", pd.DataFrame({"y": [click if c else none for c in clicked]}))
        for click, none in (labels, others)
    ]
    assert (found[0] == found[1]).all()


def test_an_unreadable_label_is_named_by_its_row() -> None:
    with pytest.raises(DataError, match="Row 3 of .* has 'maybe' in column 'y'"):
        split("random", pd.DataFrame({"y": ["0", "1", "maybe"]}))


def test_two_fractions_leave_no_test_part() -> None:
    for text in ("random:0.9,0.1", "group:0.9,0.1", "time:0.9,0.1"):
        assert set(split(text, FRAME).tolist()) == {0, 1}


def test_random_parts_do_not_change_between_versions() -> None:
    parts = split("random:0.5,0.25,0.25", pd.DataFrame({"y": [0, 1, 0, 0, 0, 1] * 2}), seed=7)
    assert parts.tolist() == [1, 0, 2, 2, 0, 2, 0, 1, 0, 0, 1, 0]


def test_all_rows_of_a_group_are_in_one_part() -> None:
    parts = split("group", FRAME)
    assert FRAME.assign(parts=parts).groupby("user")["parts"].nunique().max() == 1


def test_groups_are_split_alike_as_texts_and_numbers() -> None:
    texts = split("group", pd.DataFrame({"user": [str(n) for n in range(200)]}))
    assert (texts == split("group", pd.DataFrame({"user": list(range(200))}))).all()


def test_a_few_groups_are_one_in_each_part() -> None:
    users = np.random.default_rng(0).choice(["a", "b", None], 300, p=[0.98, 0.01, 0.01])
    for seed in range(20):
        parts = split("group", pd.DataFrame({"user": users}), seed=seed)
        assert set(parts.tolist()) == {0, 1, 2}


def test_fewer_groups_than_parts_are_refused() -> None:
    frame = pd.DataFrame({"user": ["a", "b"] * 50})
    with pytest.raises(
        DataError, match=r"'user' of the DataFrame has 2 groups.* needs 3.*group:user:0\.8,0\.2"
    ):
        split("group", frame)
    assert set(split("group:user:0.8,0.2", frame).tolist()) == {0, 1}


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
        ([1, 2, 2], "Column 't' of .* has 2 different times, and .* at least 3"),
        ([1.0, 2.0, None], "Column 't' has no time in row 3"),
        (["1", "2", "x"], "Row 3 of .* has 'x' in column 't'"),
    ],
)
def test_unusable_times_are_refused(times: list[object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        split("time", pd.DataFrame({"t": times}))


def test_part_names_are_read_in_any_case() -> None:
    names = ["train", "TRAIN", "valid", "Validation", "val", "dev", "test"]
    assert split("column", pd.DataFrame({"part": names})).tolist() == [0, 0, 1, 1, 1, 1, 2]


def test_without_validation_rows_a_tenth_of_the_training_rows_validates() -> None:
    labels = (np.arange(2000) % 500 == 3).astype(int)
    parts = split("column", pd.DataFrame({"part": ["train"] * 1500 + ["test"] * 500, "y": labels}))
    assert np.bincount(parts[:1500]) / 1500 == pytest.approx([0.9, 0.1], abs=0.001)
    assert sorted(parts[labels == 1]) == [0, 0, 1, 2]
    assert (parts[1500:] == 2).all()


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["train", "holdout"], "column 'part' has 'holdout' in row 2"),
        (["train", None], "column 'part' has None in row 2"),
        ([0, 1], "column 'part' has '0' in row 1"),
        (["valid", "test"], "has 'train' in no row"),
    ],
)
def test_unusable_part_names_are_refused(names: list[object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        split("column", pd.DataFrame({"part": names}))


def test_an_unresolved_split_is_not_taken_for_a_random_one() -> None:
    with pytest.raises(ValueError, match="names no column"):
        make_splitter(SplitSpec.parse("group"), open_table(FRAME), target="y", seed=0)


def test_a_missing_column_is_named() -> None:
    with pytest.raises(DataError, match="needs column 'when'.*Known: t"):
        split("time:when", pd.DataFrame({"t": [1, 2, 3]}))
