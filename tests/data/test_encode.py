from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from autofi.data.dataset import EncodedDataset
from autofi.data.encode import encode
from autofi.data.schema import Field, FieldKind, Schema
from autofi.data.split import SplitSpec
from autofi.errors import ConfigError, DataError
from autofi.readers import Table, open_table
from tests.data.clicks import COLUMN, FRAME, SCHEMA, assert_same_rows, in_part_order, make_frame, slow_codes


@pytest.fixture(scope="module")
def dataset() -> EncodedDataset:
    return encode(open_table(FRAME), SCHEMA, split=COLUMN)


def text(value: object) -> str | None:
    missing = value is None or value == "" or value != value
    return None if missing else str(value)


def test_codes_equal_a_dictionary_of_the_training_rows(dataset: EncodedDataset) -> None:
    ordered = in_part_order(FRAME)
    train = dataset.parts["train"]
    for place, name in enumerate(["site", "user", None, "tags"]):
        if name is None:
            continue
        values = [text(value) for value in ordered[name]]
        if name == "tags":
            values = [value.replace(" ", "|") if value else None for value in values]
        assert dataset.ids[:, place].tolist() == slow_codes(values, values[train])
    assert dataset.ids.dtype == np.int32
    assert (dataset.ids.max(axis=0) < dataset.encoder.cardinalities).all()


def test_counts_are_those_of_the_training_codes(dataset: EncodedDataset) -> None:
    train = dataset.rows("train").ids
    for place, cardinality in enumerate(dataset.encoder.cardinalities):
        counts = dataset.encoder.counts[place]
        assert counts.tolist() == np.bincount(train[:, place], minlength=cardinality).tolist()
        assert counts[1] == 0


def test_numbers_are_positions_and_missing_prices_stay_missing(dataset: EncodedDataset) -> None:
    encoder = dataset.encoder
    assert encoder.number_fields == ("user", "price")
    price = in_part_order(FRAME)["price"].to_numpy()
    assert (np.isnan(dataset.numbers[:, 1]) == np.isnan(price)).all()
    assert ((dataset.ids[:, 2] == 0) == np.isnan(price)).all()
    for column, bins in enumerate(encoder.number_bins):
        values = dataset.numbers[:, column]
        assert np.nanmin(values) == 0
        assert np.nanmax(values) == bins == 32
    order = np.argsort(price)
    assert (np.diff(dataset.numbers[order, 1])[: np.isfinite(price).sum() - 1] >= 0).all()


def test_bags_hold_the_tokens_codes(dataset: EncodedDataset) -> None:
    ordered = in_part_order(FRAME)
    lists = [value.split() for value in ordered["tags"]]
    train = [token for tokens in lists[dataset.parts["train"]] for token in tokens]
    width = max(len(tokens) for tokens in lists[dataset.parts["train"]])
    assert dataset.encoder.bag_widths == {"tags": width}
    assert dataset.encoder.bag_cardinalities == {"tags": 10}
    expected = []
    for tokens in lists:
        codes = slow_codes(tokens, train)[:width] or [0]
        expected.append(codes + [-1] * (width - len(codes)))
    assert dataset.bags["tags"].tolist() == expected


def test_long_bags_are_cut() -> None:
    frame = pd.DataFrame({"tags": ["a " * 100, "b"] * 20, "click": [1, 0, 0, 1] * 10})
    schema = Schema((SCHEMA.field("tags"),), "click")
    made = encode(open_table(frame), schema)
    assert made.bags["tags"].shape == (40, 64)
    longer = next(made.encoder.transform(open_table(pd.DataFrame({"tags": ["b " * 70]}))))
    assert (longer.bags["tags"] == made.encoder.fields[0].tokens.codes(pa.array(["b"]))[0]).all()


def test_nothing_is_learned_from_rows_that_do_not_train() -> None:
    other = FRAME.copy()
    kept = (other["part"] == "train").to_numpy()
    other.loc[~kept, "site"] = "never trained on"
    other.loc[~kept, "price"] = 1e9
    other.loc[~kept, "user"] = 123456
    other.loc[~kept, "tags"] = "z"
    before, after = (encode(open_table(frame), SCHEMA, split=COLUMN) for frame in (FRAME, other))
    assert_same_rows(before.rows("train"), after.rows("train"))
    assert before.encoder.cardinalities == after.encoder.cardinalities
    for part in ("valid", "test"):
        rows = after.rows(part)
        assert (rows.ids == [1, 1, after.encoder.cardinalities[2] - 1, 1]).all()
        assert (rows.numbers == after.encoder.number_bins).all()
        assert (rows.bags["tags"][:, 0] == 1).all()


def test_csv_and_frames_give_the_same_codes(tmp_path: Path, dataset: EncodedDataset) -> None:
    FRAME.to_csv(tmp_path / "rows.csv", index=False)
    from_csv = encode(open_table(tmp_path / "rows.csv"), SCHEMA, split=COLUMN)
    assert_same_rows(from_csv, dataset)
    assert from_csv.fingerprint == dataset.fingerprint


def test_large_arrays_are_memory_maps(tmp_path: Path, dataset: EncodedDataset) -> None:
    mapped = encode(open_table(FRAME), SCHEMA, split=COLUMN, directory=tmp_path / "arrays", memory_limit=1000)
    assert isinstance(mapped.ids, np.memmap)
    assert isinstance(mapped.labels, np.memmap)
    assert isinstance(mapped.rows("valid").bags["tags"], np.memmap)
    assert_same_rows(mapped, dataset)
    assert mapped.fingerprint == dataset.fingerprint
    in_memory = encode(open_table(FRAME), SCHEMA, split=COLUMN, directory=tmp_path / "none")
    assert not isinstance(in_memory.ids, np.memmap)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("given", "rows"),
    [({"valid", "test"}, (600, 100, 80)), ({"test"}, None), ({"valid"}, (600, 100, 0))],
)
def test_separate_tables_are_the_parts(given: set[str], rows: tuple[int, int, int] | None) -> None:
    others = {"valid": make_frame(100, seed=1), "test": make_frame(80, seed=2)}
    tables = {name: open_table(others[name]) for name in given}
    made = encode(open_table(FRAME), SCHEMA, **tables)
    sizes = tuple(part.stop - part.start for part in made.parts.values())
    if rows is None:
        assert sizes[0] + sizes[1] == 600
        assert sizes[1] == 60
        assert sizes[2] == 80
    else:
        assert sizes == rows
    for name in given:
        assert made.rows(name).labels.tolist() == others[name]["click"].tolist()
    with pytest.raises(ConfigError, match="The split 'time:day:0.8,0.1,0.1' is given beside"):
        encode(open_table(FRAME), SCHEMA, split=SplitSpec.parse("time:day"), **tables)


def small(click: list[object], part: list[str], **more: list[object]) -> tuple[Table, Schema]:
    frame = pd.DataFrame({"x": ["a"] * len(click), "click": click, "part": part, **more})
    fields = (Field("x", FieldKind.CATEGORICAL), *(Field(name, FieldKind.NUMERIC) for name in more))
    return open_table(frame), Schema(fields, "click", split="part")


THREE = ["train"] * 4 + ["valid"] * 2


@pytest.mark.parametrize(
    ("click", "part", "message"),
    [
        (
            [1, 1, 1, 1, 0, 1],
            THREE,
            "'click' has 1 row without a click in 6 rows; a search needs at least one",
        ),
        ([0, 0, 0, 1, 0, 0], THREE, "'click' has 1 click in 6 rows; a search needs at least one in training"),
        (
            [0, 0, 0, 0, 1, 1],
            THREE,
            r"The train part has no click in the target 'click' \(train no click in 4 rows, valid 2 clicks in 2 rows, "
            r"test no click in 0 rows; all 2 clicks in 6\): mark other rows as train and valid, or split at random",
        ),
        (
            [0, 1, 0, 1, 0, 0],
            THREE,
            r"The valid part has no click .*train 2 clicks in 4.*all 2 clicks in 6\)",
        ),
        ([-1, 1, 0, 1, 0, 1], THREE, "1 rows of -1 and 2 of 0"),
        ([0, 1, 0, 1, 0, 3], THREE, r"Row 6 of .* has '3' in column 'click', which is not a label"),
        ([0, 1, None, 1, 0, 1], THREE, r"Row 3 of .* has None in column 'click', which is not a label"),
    ],
)
def test_unusable_labels_are_refused(click: list[object], part: list[str], message: str) -> None:
    table, schema = small(click, part)
    with pytest.raises(DataError, match=message):
        encode(table, schema, split=COLUMN)


def test_a_part_without_clicks_is_refused_with_the_counts_and_a_way_out() -> None:
    clicked = (np.arange(2000) < 3).astype(int)
    frame = pd.DataFrame({"x": np.arange(2000) % 7, "day": np.arange(2000), "click": clicked})
    schema = Schema((Field("x", FieldKind.CATEGORICAL),), "click", time="day")
    with pytest.raises(
        DataError, match=r"valid no click in 200 rows.*all 3 clicks in 2,000.*split at random"
    ):
        encode(open_table(frame), schema, split=SplitSpec.parse("time"))
    made = encode(open_table(frame), schema)
    assert [made.rows(part).labels.sum() for part in ("train", "valid", "test")] == [1, 1, 1]
    made = encode(open_table(frame), schema, test=open_table(frame))
    assert [made.rows(part).labels.sum() for part in ("train", "valid", "test")] == [2, 1, 3]
    with pytest.raises(DataError, match=r"valid no click in 1,997 rows.*leave the validation table out"):
        encode(open_table(frame), schema, valid=open_table(frame[3:]))


def test_clicks_without_weight_are_no_clicks() -> None:
    table, schema = small([0, 1, 0, 1, 0, 1], THREE, w=[1, 1, 1, 1, 1, 0])
    schema = replace(schema, fields=schema.fields[:1], weight="w")
    with pytest.raises(
        DataError, match="The valid part has no click with a 'w' above 0 in the target 'click'"
    ):
        encode(table, schema, split=COLUMN)


@pytest.mark.parametrize("labels", [["-1", "1"], ["False", "True"], [False, True], [-1.0, 1.0]])
def test_every_spelling_of_labels_is_zero_and_one(labels: list[object]) -> None:
    table, schema = small(labels * 3, THREE)
    made = encode(table, schema, split=COLUMN)
    assert made.labels.tolist() == [0, 1] * 3
    assert made.labels.dtype == np.float32
    assert made.weights is None
    assert made.groups is None
    assert made.parts["test"] == slice(6, 6)
    assert len(made.rows("test")) == 0


def test_infinite_training_numbers_are_refused_by_place() -> None:
    table, schema = small([0, 1] * 3, THREE, price=[1.0, 2.0, 3.0, np.inf, 5.0, 6.0])
    with pytest.raises(DataError, match=r"Column 'price' has inf in row 4"):
        encode(table, schema, split=COLUMN)
    table, schema = small([0, 1] * 3, THREE, price=[1.0, 2.0, 3.0, 4.0, 5.0, np.inf])
    assert encode(table, schema, split=COLUMN).numbers[5, 0] == 3


def test_weights_are_checked() -> None:
    for weights, message in (
        (
            [1.0, -1.0, 1, 1, 1, 1],
            "Row 2 of .* has -1.0 in column 'w', which is not a finite weight of at least 0",
        ),
        ([0.0, 0, 0, 0, 1, 1], "The train part has no click with a 'w' above 0"),
    ):
        frame = pd.DataFrame({"x": list("abcabc"), "click": [0, 1] * 3, "part": THREE, "w": weights})
        schema = Schema((Field("x", FieldKind.CATEGORICAL),), "click", weight="w", split="part")
        with pytest.raises(DataError, match=message):
            encode(open_table(frame), schema, split=COLUMN)


def test_a_table_that_changes_between_the_passes_is_refused() -> None:
    class Shrinking(Table):
        reads = 0

        def _read(self, columns: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
            self.reads += 1
            rows = 500 if self.reads > 2 else 600  # after the split, and once more
            yield pa.RecordBatch.from_pandas(FRAME).select(list(columns)).slice(0, rows)

    with pytest.raises(DataError, match="other rows when it was read a second time"):
        encode(Shrinking("shrinking", tuple(FRAME)), SCHEMA, memory_limit=0)


@pytest.mark.parametrize("buckets", ["quantile", "log"])
def test_buckets_bound_the_codes_of_numeric_fields(buckets: str) -> None:
    made = encode(open_table(FRAME), SCHEMA, split=COLUMN, buckets=buckets, num_buckets=5)
    assert made.encoder.cardinalities[2] <= 7
    price = in_part_order(FRAME)["price"].to_numpy()
    codes = made.ids[np.argsort(price), 2][: np.isfinite(price).sum()]
    assert (np.diff(codes) >= 0).all()


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match="buckets is 'tree'; it must be 'quantile' or 'log'"):
        encode(open_table(FRAME), SCHEMA, buckets="tree")
    with pytest.raises(ConfigError, match="num_buckets"):
        encode(open_table(FRAME), SCHEMA, num_buckets=1)


def test_a_field_without_any_training_value_is_missing_throughout() -> None:
    frame = FRAME.assign(site=None, price=np.nan, tags="")
    made = encode(open_table(frame), SCHEMA, split=COLUMN)
    assert (made.ids[:, [0, 2, 3]] == 0).all()
    assert [made.encoder.cardinalities[place] for place in (0, 2, 3)] == [2, 2, 2]
    assert np.isnan(made.numbers[:, 1]).all()
    assert made.bags["tags"].tolist() == [[0]] * len(frame)
    (rows,) = made.encoder.transform(open_table(FRAME[:1].assign(price=3.0)))
    assert rows.ids[0, 2] == 1


def test_a_published_dataset_has_its_known_sizes(real_data: Path) -> None:
    table = open_table(real_data / "frappe_x1" / "data.parquet")
    names = (
        "user",
        "item",
        "daytime",
        "weekday",
        "isweekend",
        "homework",
        "cost",
        "weather",
        "country",
        "city",
    )
    schema = Schema(tuple(Field(name, FieldKind.CATEGORICAL) for name in names), "label", split="split")
    made = encode(table, schema, split=COLUMN)
    assert [part.stop - part.start for part in made.parts.values()] == [202_027, 57_722, 28_860]
    assert made.labels.mean(dtype=np.float64) == pytest.approx(1 / 3, abs=0.001)
