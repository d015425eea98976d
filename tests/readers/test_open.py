from __future__ import annotations

import bz2
import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from autofi.errors import DataError
from autofi.readers import BATCH_ROWS, Table, open_table

CLICKS = pa.table(
    {
        "user": [7, None, 9],
        "price": [0.5, 2.0, None],
        "city": ["Rome", "Paris, FR", None],
        "tags": [["a", "b"], [], None],
    }
)


def rows(table: Table, columns: list[str] | None = None) -> list[dict[str, object]]:
    return pa.Table.from_batches(list(table.batches(columns))).to_pylist()


def test_parquet_keeps_types_and_rereads(tmp_path: Path) -> None:
    pq.write_table(CLICKS, tmp_path / "clicks.parquet")
    table = open_table(tmp_path / "clicks.parquet")
    assert table.columns == ("user", "price", "city", "tags")
    assert rows(table) == rows(table) == CLICKS.to_pylist()
    assert rows(table, ["price", "user"]) == CLICKS.select(["price", "user"]).to_pylist()
    assert table.name.endswith("clicks.parquet")


def test_parquet_folder_glob_and_partitions(tmp_path: Path) -> None:
    for day in (1, 2):
        (tmp_path / f"day={day}").mkdir()
        pq.write_table(pa.table({"x": [day, day * 10]}), tmp_path / f"day={day}" / "part.parquet")
    (tmp_path / "_SUCCESS").touch()
    assert rows(open_table(tmp_path)) == [
        {"x": 1, "day": 1},
        {"x": 10, "day": 1},
        {"x": 2, "day": 2},
        {"x": 20, "day": 2},
    ]
    globbed = open_table(f"{tmp_path}/day=*/*.parquet")
    assert [row["x"] for row in rows(globbed, ["x"])] == [1, 10, 2, 20]


def test_frames_read_like_the_arrow_table() -> None:
    plain = CLICKS.drop_columns(["tags"])
    expected = plain.to_pylist()
    assert rows(open_table(plain)) == expected
    assert rows(open_table(pl.from_arrow(plain))) == expected
    assert rows(open_table(pl.from_arrow(plain).lazy())) == expected
    frame = pd.DataFrame({"user": pd.array([7, None, 9], dtype="Int64"), "city": ["Rome", "Paris, FR", None]})
    assert rows(open_table(frame)) == plain.select(["user", "city"]).to_pylist()
    assert open_table(pd.DataFrame({0: [1], 1: [2]})).columns == ("0", "1")
    table = open_table(plain)
    assert open_table(table) is table


def test_rows_of_a_polars_table_can_be_taken() -> None:
    """Polars gives its texts as views, of which Arrow takes no rows."""
    frame = pl.DataFrame({"city": ["Rome", None], "tags": [["a", "b"], None], "raw": [b"x", b"y"]})
    (batch,) = open_table(frame).batches()
    assert batch.take(pa.array([1, 0])).to_pylist() == frame.to_dicts()[::-1]


def test_batches_are_bounded_and_complete(tmp_path: Path) -> None:
    count = 2 * BATCH_ROWS + 3
    numbers = pa.table({"n": np.arange(count), "constant": np.zeros(count)})
    pq.write_table(numbers, tmp_path / "n.parquet")
    numbers.to_pandas().to_csv(tmp_path / "n.csv", index=False)
    for source in (tmp_path / "n.parquet", tmp_path / "n.csv", numbers):
        batches = list(open_table(source).batches(["n"]))
        assert max(batch.num_rows for batch in batches) <= BATCH_ROWS
        read = np.concatenate(
            [batch.column(0).to_numpy(zero_copy_only=False).astype(int) for batch in batches]
        )
        np.testing.assert_array_equal(read, np.arange(count))


@pytest.mark.parametrize(
    ("name", "pack"), [("t.csv", bytes), ("t.csv.gz", gzip.compress), ("t.csv.bz2", bz2.compress)]
)
def test_compressed_text(tmp_path: Path, name: str, pack: object) -> None:
    (tmp_path / name).write_bytes(pack(b"a,b\n1,2\n"))  # type: ignore[operator]
    assert rows(open_table(tmp_path / name)) == [{"a": "1", "b": "2"}]


def test_a_folder_of_csv_files_is_one_table(tmp_path: Path) -> None:
    (tmp_path / "part-0.csv").write_text("a,b\n1,2\n")
    (tmp_path / "part-1.csv").write_text("a,b\n3,4\n")
    assert [row["a"] for row in rows(open_table(tmp_path))] == ["1", "3"]
    (tmp_path / "part-2.csv").write_text("a,c\n3,4\n")
    with pytest.raises(DataError, match=r"'b' is missing in .*part-2\.csv.*part-0\.csv"):
        open_table(tmp_path)


def test_an_unknown_column_is_refused_before_reading() -> None:
    with pytest.raises(DataError, match="no column 'prise': did you mean 'price'"):
        open_table(CLICKS).batches(["prise"])


def test_a_missing_file_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    (tmp_path / "clicks.parquet").touch()
    with pytest.raises(DataError, match=r"did you mean '.*clicks\.parquet'"):
        open_table(tmp_path / "clics.parquet")
    with pytest.raises(DataError, match="no folder '.*nowhere'"):
        open_table(tmp_path / "nowhere" / "clicks.parquet")
    with pytest.raises(DataError, match="matches no file"):
        open_table(tmp_path / "*.csv")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.parquet", b"", "has no rows"),
        ("x.parquet", b"label,city\n0,Rome\n", r"x\.parquet is not Parquet"),
        ("x.csv", b"", "has no rows"),
        ("x.csv", b"label,city\n", "has no rows"),
        ("x.csv", b"\n\n", "has no rows"),
        ("x.xlsx", b"x", r"ends in '\.xlsx', which .*; rename it to one of \.csv"),
        ("x", b"x", "ends in ''"),
    ],
)
def test_files_that_are_no_table_are_refused(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message) as error:
        open_table(tmp_path / name)
    assert "\n" not in str(error.value)


def test_a_column_named_twice_is_refused(tmp_path: Path) -> None:
    twice = pa.table([pa.array([1]), pa.array([2])], names=["a", "a"])
    pq.write_table(twice, tmp_path / "x.parquet")
    (tmp_path / "x.csv").write_text("a,b,a\n1,2,3\n")
    frame = pd.DataFrame([[1, 2]], columns=["a", "a"])
    for source in (tmp_path / "x.parquet", tmp_path / "x.csv", twice, frame):
        with pytest.raises(DataError, match="names the column 'a' 2 times"):
            open_table(source)


def test_frames_without_rows_or_that_are_none_are_refused() -> None:
    with pytest.raises(DataError, match="the DataFrame has no rows"):
        open_table(pd.DataFrame({"a": []}))
    with pytest.raises(DataError, match="is a list"):
        open_table([1, 2])


def test_settings_of_other_sources_are_refused() -> None:
    with pytest.raises(DataError, match="query is given, but the source is not a database URL"):
        open_table(CLICKS, query="select 1")
    with pytest.raises(DataError, match="header=True is set, but"):
        open_table(CLICKS, header=True)
    with pytest.raises(DataError, match="delimiter=';' is set, but"):
        open_table(CLICKS, delimiter=";")
