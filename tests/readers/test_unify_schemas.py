"""Files of one table whose types, columns and orders differ."""

from __future__ import annotations

import datetime as dt
import decimal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

import autofi
from autofi.data.encode import encode
from autofi.errors import DataError
from autofi.readers import Table, open_table
from autofi.values.arrow_values import canonical_strings

N = 100
DAY, MOMENT = dt.date(2024, 1, 2), dt.datetime(2024, 1, 2, 3, 4, 5)


def folder(
    path: Path, *parts: pa.Table, write: Callable[..., Any] = pq.write_table, ending: str = "parquet"
) -> Path:
    path.mkdir(exist_ok=True)
    for place, part in enumerate(parts):
        write(part, path / f"part-{place}.{ending}")
    return path


def part(column: pa.Array) -> pa.Table:
    return pa.table(
        {"x": column, "hour": [place % 7 for place in range(len(column))], "click": [0, 1] * (N // 2)}
    )


def texts(table: Table, column: str = "x") -> list[str | None]:
    return [
        text for batch in table.batches([column]) for text in canonical_strings(batch.column(0)).to_pylist()
    ]


def column(values: list[Any], kind: pa.DataType) -> pa.Array:
    return pa.array(values * (N // len(values)), kind)


FIT = {
    "null, text": ((column([None], pa.null()), column(["a", "b"], pa.string())), [None, "a"]),
    "null, int": ((column([None], pa.null()), column([1, 2], pa.int16())), [None, "1"]),
    "null, list": ((column([None], pa.null()), column([["a"], ["b"]], pa.list_(pa.string()))), [None, "a"]),
    "int32, int64": ((column([1, 2], pa.int32()), column([2**40, 2], pa.int64())), ["1", str(2**40)]),
    "int8, uint8": ((column([-1, 2], pa.int8()), column([255, 2], pa.uint8())), ["-1", "255"]),
    "int64, uint64": (
        (column([-1, 2], pa.int64()), column([2**63 + 1, 2], pa.uint64())),
        ["-1", str(2**63 + 1)],
    ),
    "int, double": ((column([1, 2], pa.int64()), column([1.5, None], pa.float64())), ["1", "1.5"]),
    "double, large int": (
        (column([1.0, None], pa.float64()), column([2**53 + 1, 2**53 + 3], pa.int64())),
        ["1", str(2**53 + 1)],
    ),
    "large int, double": (
        (column([2**53 + 1, 2], pa.int64()), column([0.5, 2.0], pa.float64())),
        [str(2**53 + 1), "0.5"],
    ),
    "float, double": ((column([0.1, 2.0], pa.float32()), column([0.1, 2.0], pa.float64())), ["0.1", "0.1"]),
    "decimals": (
        (
            column([decimal.Decimal("1.50")], pa.decimal128(5, 2)),
            column([decimal.Decimal("1.5")], pa.decimal128(20, 1)),
        ),
        ["1.5", "1.5"],
    ),
    "decimal, int": (
        (column([decimal.Decimal("1.50")], pa.decimal128(5, 2)), column([3], pa.int64())),
        ["1.5", "3"],
    ),
    "string, large string": ((column(["a"], pa.string()), column(["b"], pa.large_string())), ["a", "b"]),
    "string, dictionary": (
        (column(["a"], pa.string()), column(["b"], pa.dictionary(pa.int32(), pa.string()))),
        ["a", "b"],
    ),
    "dictionaries": (
        (
            column(["a", "b"], pa.dictionary(pa.int8(), pa.string())),
            column(["b", "a"], pa.dictionary(pa.int8(), pa.string())),
        ),
        ["a", "b"],
    ),
    "string, binary": ((column(["a"], pa.string()), column([b"b"], pa.binary())), ["a", "b"]),
    "times": (
        (column([MOMENT], pa.timestamp("us")), column([MOMENT], pa.timestamp("ns"))),
        ["2024-01-02T03:04:05", "2024-01-02T03:04:05"],
    ),
    "zones": (
        (column([MOMENT], pa.timestamp("us", "UTC")), column([MOMENT], pa.timestamp("ms", "Europe/Berlin"))),
        ["2024-01-02T03:04:05Z", "2024-01-02T03:04:05Z"],
    ),
    "dates": ((column([DAY], pa.date32()), column([DAY], pa.date64())), ["2024-01-02", "2024-01-02"]),
    "bool, null": ((column([True, False], pa.bool_()), column([None], pa.null())), None),
    "lists": ((column([[1], [2]], pa.list_(pa.int32())), column([[3]], pa.list_(pa.int64()))), ["1", "3"]),
    "list of null": (
        (column([[]], pa.list_(pa.null())), column([["a"]], pa.large_list(pa.string()))),
        [None, "a"],
    ),
    "structs": (
        (
            column([{"a": 1}], pa.struct([("a", pa.int8())])),
            column([{"b": 1}], pa.struct([("b", pa.int8())])),
        ),
        None,
    ),
}
WRITERS = {"parquet": pq.write_table, "feather": pyarrow.feather.write_feather}


@pytest.mark.parametrize("ending", WRITERS)
@pytest.mark.parametrize("name", FIT)
def test_parts_of_types_that_fit_are_read_by_value(tmp_path: Path, name: str, ending: str) -> None:
    columns, expected = FIT[name]
    source = folder(tmp_path / "t", *map(part, columns), write=WRITERS[ending], ending=ending)
    table = open_table(source)
    if expected is not None:
        read = texts(table)
        assert [read[0], read[N]] == expected
    found = autofi.inspect_table(source, target="click")
    assert found.rows == 2 * N
    encoded = encode(open_table(source), found.schema, seed=0)
    assert len(encoded.labels) == 2 * N


UNFIT = {
    "text, int": (column(["a"], pa.string()), column([1], pa.int64())),
    "int, text": (column([1], pa.int64()), column(["a"], pa.string())),
    "bool, int": (column([True], pa.bool_()), column([1], pa.int64())),
    "zone, none": (column([MOMENT], pa.timestamp("us", "UTC")), column([MOMENT], pa.timestamp("us"))),
    "date, text": (column([DAY], pa.date32()), column(["2024-01-02"], pa.string())),
    "date, time": (column([DAY], pa.date32()), column([MOMENT], pa.timestamp("us"))),
    "list, text": (column([["a"]], pa.list_(pa.string())), column(["a"], pa.string())),
    "lists": (column([["a"]], pa.list_(pa.string())), column([[1]], pa.list_(pa.int8()))),
    "null, text, int": (column([None], pa.null()), column(["a"], pa.string()), column([1], pa.int8())),
}


@pytest.mark.parametrize("ending", WRITERS)
@pytest.mark.parametrize("name", UNFIT)
def test_parts_of_types_that_mean_different_things_are_refused_by_name(
    tmp_path: Path, name: str, ending: str
) -> None:
    columns = UNFIT[name]
    source = folder(tmp_path / "t", *map(part, columns), write=WRITERS[ending], ending=ending)
    with pytest.raises(DataError) as refused:
        open_table(source)
    message = str(refused.value)
    assert "\n" not in message
    first, second = columns[-2:]
    last = len(columns) - 1
    kinds = [str(each.type).partition("<")[0] for each in (first, second)]
    for said in ("'x'", f"part-{last - 1}", f"part-{last}", *kinds):
        assert said in message


def csv(table: pa.Table, path: Path) -> None:
    path.write_text(table.to_pandas().to_csv(index=False))


@pytest.mark.parametrize("ending", ["parquet", "feather", "csv"])
def test_columns_of_parts_are_found_by_name(tmp_path: Path, ending: str) -> None:
    write = csv if ending == "csv" else WRITERS[ending]
    one = pa.table({"x": ["1", "2"], "y": ["3", "4"]})
    two = pa.table({"y": ["5", "6"], "x": ["7", "8"]})
    table = open_table(folder(tmp_path / "t", one, two, write=write, ending=ending))
    assert table.columns == ("x", "y")
    assert texts(table, "x") == ["1", "2", "7", "8"]
    assert texts(table, "y") == ["3", "4", "5", "6"]

    more = pa.table({"y": ["5"], "x": ["7"], "z": ["9"]})
    source = folder(tmp_path / "u", one, more, write=write, ending=ending)
    with pytest.raises(DataError, match=r"'z' is missing in .*part-0.*part-1"):
        open_table(source)
    # A model that reads x and y has no use for z.
    scored = open_table(source, names=("y", "x"))
    assert scored.columns == ("x", "y")
    assert texts(scored, "y") == ["3", "4", "5"]
    with pytest.raises(DataError, match=r"'z' is missing in .*part-0"):
        open_table(source, names=("x", "z"))


def test_partitions_are_read_beside_parts_of_different_types(tmp_path: Path) -> None:
    for day, kind in ((1, pa.int32()), (2, pa.int64())):
        (tmp_path / f"day={day}").mkdir()
        pq.write_table(pa.table({"x": pa.array([day], kind)}), tmp_path / f"day={day}" / "part.parquet")
    table = open_table(tmp_path)
    rows = [row for batch in table.batches(["day", "x"]) for row in batch.to_pylist()]
    assert rows == [{"day": 1, "x": 1}, {"day": 2, "x": 2}]


def test_a_first_file_of_csv_tells_the_header_of_the_others(tmp_path: Path) -> None:
    (tmp_path / "0.csv").write_text("R&D;city;n\na;Rome;1,5\nb;Oslo;2,5\n")
    (tmp_path / "1.csv").write_text("city,R&D,n\nRome,a,3\n")
    table = open_table(f"{tmp_path}/*.csv")
    assert texts(table, "R&D") == ["a", "b", "a"]
    (tmp_path / "0.csv").write_text("a,Rome\na,Oslo\n")
    (tmp_path / "1.csv").write_text("user,city\n")
    bare = open_table(f"{tmp_path}/*.csv")
    assert bare.columns == ("c0", "c1")
    assert texts(bare, "c0") == ["a", "a", "user"]
