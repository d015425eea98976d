from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from autofi.data.column_profile import summarize
from autofi.data.schema import Field, FieldKind
from autofi.data.schema_inference import infer_schema
from autofi.data.schema_overrides import SchemaOverrides, load_overrides
from autofi.errors import ConfigError, DataError
from autofi.readers import open_table
from autofi.values.value_types import ValueType

ROWS = 400


def clicks(**changes: Any) -> pd.DataFrame:
    generator = np.random.default_rng(5)
    columns: dict[str, Any] = {
        "user_id": generator.integers(1000, 1100, ROWS),
        "gap_id": np.where(generator.random(ROWS) < 0.1, np.nan, generator.integers(0, 9, ROWS)),
        "price": generator.random(ROWS).round(3),
        "city": generator.choice(["Rome", "Oslo", ""], ROWS),
        "constant": "x",
        "empty": None,
        "part": generator.choice(["train", "valid", "test"], ROWS),
        "click": generator.integers(0, 2, ROWS),
    }
    return pd.DataFrame(columns | changes)


def inferred(frame: Any, **settings: Any) -> Any:
    return infer_schema(open_table(frame), **settings)


def test_kinds_and_summaries_equal_those_pandas_counts() -> None:
    frame = clicks()
    found = inferred(frame)
    assert found.rows == ROWS
    assert found.schema.fields == (
        Field("user_id", FieldKind.CATEGORICAL, reads_as_number=True, values=ValueType.INTEGER),
        Field("gap_id", FieldKind.CATEGORICAL, reads_as_number=True, values=ValueType.INTEGER),
        Field("price", FieldKind.NUMERIC, reads_as_number=True, values=ValueType.NUMBER),
        Field("city", FieldKind.CATEGORICAL, values=ValueType.TEXT),
    )
    assert found.schema.target == "click"
    assert found.schema.ignored == ("constant", "empty", "part")
    assert [summary.name for summary in found.summaries] == list(frame.columns)
    clean = frame.replace("", None)
    for summary in found.summaries:
        assert summary.distinct == clean[summary.name].nunique()
        assert summary.missing_share == pytest.approx(clean[summary.name].isna().mean())
        assert not summary.capped
    notes = {summary.name: summary.note for summary in found.summaries if summary.role == "ignored"}
    assert notes == {
        "constant": "all values are the same",
        "empty": "all values are missing",
        "part": "looks like a split; name it as split column to use it",
    }


def test_csv_parquet_and_frames_give_the_same_schema(tmp_path: Path) -> None:
    frame = clicks()
    frame.to_csv(tmp_path / "x.csv", index=False)
    frame.to_csv(tmp_path / "x.tsv.gz", index=False, sep="\t")
    frame.to_parquet(tmp_path / "x.parquet")
    expected = inferred(frame)
    for source in (tmp_path / "x.csv", tmp_path / "x.tsv.gz", tmp_path / "x.parquet", pl.from_pandas(frame)):
        found = inferred(source)
        assert found.schema == expected.schema
        for summary, other in zip(found.summaries, expected.summaries, strict=True):
            assert (summary.distinct, summary.missing_share) == (other.distinct, other.missing_share)


def test_types_only_parquet_has() -> None:
    days = [dt.date(2024, 1, 1 + i % 3) for i in range(ROWS)]
    table = pa.table(
        {
            "tags": [["a", "b"], [], None, ["c"]] * (ROWS // 4),
            "day": days,
            "at": [dt.datetime(2024, 1, 1, i % 24) for i in range(ROWS)],
            "flag": [True, False] * (ROWS // 2),
            "nested": [{"a": 1}] * ROWS,
            "word": pa.array(["x", "y"] * (ROWS // 2)).dictionary_encode(),
            "label": [False, True] * (ROWS // 2),
        }
    )
    found = inferred(table)
    kinds = {field.name: (field.kind.value, field.reads_as_number) for field in found.schema.fields}
    assert kinds == {
        "tags": ("multi_valued", False),
        "day": ("numeric", True),
        "at": ("numeric", True),
        "flag": ("categorical", True),
        "word": ("categorical", False),
    }
    assert found.schema.ignored == ("nested",)
    assert found.summaries[0].distinct == 2
    assert found.summaries[0].missing_share == 0.5


def test_overrides_win() -> None:
    frame = clicks(tags="a,b", weight=0.5, day=np.arange(ROWS))
    found = inferred(
        frame,
        overrides=SchemaOverrides(
            target="click",
            ignore=("city",),
            categorical=("price", "constant"),
            numeric=("user_id",),
            multi_valued={"tags": ","},
            weight="weight",
            group="gap_id",
            time="day",
            split_column="part",
        ),
    ).schema
    assert {field.name: field.kind.value for field in found.fields} == {
        "user_id": "numeric",
        "gap_id": "categorical",
        "price": "categorical",
        "constant": "categorical",
        "tags": "multi_valued",
    }
    assert found.field("tags").separator == ","
    assert (found.weight, found.group, found.time, found.split) == ("weight", "gap_id", "day", "part")
    assert found.ignored == ("city", "empty")
    alone = inferred(frame, overrides=SchemaOverrides(group="user_id", ignore=("user_id",)))
    assert "user_id" not in alone.schema.names
    assert alone.schema.group == "user_id"
    assert alone.summaries[0].role == "group"


@pytest.mark.parametrize("labels", [["1", "0"], ["True", "False"], [1, -1], [1.0, 0.0], [True, False]])
def test_targets_of_two_values_are_accepted(labels: list[Any]) -> None:
    frame = clicks(click=labels * (ROWS // 2))
    assert inferred(frame).schema.target == "click"


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 1, None, 1], "Row 3 of column 'click' of the DataFrame is missing"),
        ([0.0, 1.0, 1.0, np.nan], "Row 4 of column 'click' of the DataFrame is missing"),
        (["0", "1", "nan", "0"], "Row 3 of column 'click' of the DataFrame is missing"),
        ([0.0, 1.0, np.inf, 1.0], "Row 3 of column 'click' of the DataFrame is 'inf'"),
        ([0, 1, 2, 3], r"Row 3 of .*is '2' \(values: 0, 1, 2, 3\)"),
        (["yes", "no"] * 2, r"Row 1 of .*is 'yes' \(values: yes, no\)"),
        ([0, 1, -1, 0], "holds 0, 1, -1, and .*; convert it to 0 and 1"),
        ([1, 1, 1, 1], "All 400 rows of column 'click' of the DataFrame are 1"),
        ([0.25, 0.5, 1, 0], "is '0.25'"),
    ],
)
def test_other_targets_are_refused_with_the_first_row(labels: list[Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        inferred(clicks(click=pd.Series(labels * (ROWS // 4))))


def test_the_target_is_guessed_or_asked_for() -> None:
    frame = clicks()
    assert inferred(frame.rename(columns={"click": "Clicked"})).schema.target == "Clicked"
    assert inferred(frame.assign(label=frame["click"])).schema.target == "label"
    assert inferred(frame.assign(label=frame["click"]), target="click").schema.target == "click"
    with pytest.raises(DataError, match="its columns as target: user_id, gap_id"):
        inferred(frame.rename(columns={"click": "bought"}))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ignore": ("sity",)}, "no column 'sity', named as ignore: did you mean 'city'"),
        ({"weight": "pryce"}, "named as weight: did you mean 'price'"),
        ({"numeric": ("city",)}, "Row 1 of column 'city' of the DataFrame is '(Rome|Oslo)'"),
        ({"weight": "city"}, "Row 1 of column 'city'"),
        ({"weight": "gap_id"}, "of column 'gap_id' of the DataFrame is missing"),
        ({"numeric": ("city",), "categorical": ("city",)}, "'city' is in both categorical and numeric"),
        ({"weight": "price", "ignore": ("price",)}, "'price' is in both ignore and weight"),
        ({"weight": "click"}, "'click' is both target and weight"),
        ({"time": "price", "numeric": ("price",)}, "'price' is both time and a field"),
    ],
)
def test_overrides_that_do_not_fit_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        inferred(clicks(), overrides=SchemaOverrides(**settings))


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0, -2.0], "Row 2 of column 'w' of the DataFrame is -2.0"),
        ([1.0, np.inf], "Row 2 of column 'w' of the DataFrame is inf"),
        (["1", "x"], "Row 2 of column 'w' of the DataFrame is 'x'"),
        ([0, 0], "Every row of column 'w' of the DataFrame is 0"),
    ],
)
def test_weights_are_finite_and_not_negative(weights: list[Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        inferred(clicks(w=weights * (ROWS // 2)), overrides=SchemaOverrides(weight="w"))


def test_an_infinite_number_is_refused_where_the_column_is_numeric() -> None:
    price = np.full(ROWS, 0.5)
    price[6] = np.inf
    with pytest.raises(DataError, match="Row 7 of column 'price' of the DataFrame is inf"):
        inferred(clicks(price=price))
    said = inferred(clicks(price=price), overrides=SchemaOverrides(categorical=("price",)))
    assert said.schema.field("price") == Field("price", FieldKind.CATEGORICAL, values=ValueType.NUMBER)


def test_a_table_whose_every_column_is_ignored_is_refused() -> None:
    with pytest.raises(DataError, match="is left as a field"):
        inferred(clicks()[["constant", "click"]])


def test_distinct_values_are_counted_up_to_the_cap(tmp_path: Path) -> None:
    count = 200_000
    many = pa.table({"id": np.arange(count), "few": np.arange(count) % 70_000, "y": np.arange(count) % 2})
    pq.write_table(many, tmp_path / "x.parquet")
    pa.csv.write_csv(many, tmp_path / "x.csv")
    for source in (tmp_path / "x.parquet", tmp_path / "x.csv"):
        ids, few, _ = summarize(open_table(source), most_distinct=100_000)
        assert (ids.distinct, ids.capped) == (100_000, True)
        assert (few.distinct, few.capped) == (70_000, False)
    notes = [summary.note for summary in inferred(tmp_path / "x.csv").summaries]
    assert notes == ["every value is different", None, None]


def test_overrides_from_yaml(tmp_path: Path) -> None:
    path = tmp_path / "schema.yaml"
    path.write_text("target: click\nnumeric: [price]\nmulti_valued: {genres: '|'}\n")
    assert load_overrides(path) == SchemaOverrides(
        target="click", numeric=("price",), multi_valued={"genres": "|"}
    )
    path.write_text("")
    assert load_overrides(path) == SchemaOverrides()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("targt: click", "unknown key 'targt': did you mean 'target'"),
        ("numeric: price", "key 'numeric'.*found 'price'"),
        ("multi_valued: {genres: 3}", "key 'multi_valued.genres'"),
        ("- target", "holds a list"),
        ("target: [", "cannot be read"),
    ],
)
def test_yaml_that_does_not_fit_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "schema.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as error:
        load_overrides(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_overrides(tmp_path / "missing.yaml")
