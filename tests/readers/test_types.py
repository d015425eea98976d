"""Every type of Arrow, pandas and Polars is read by value, or left out with a note, or refused in one line."""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import autofi
from autofi.data.encode import encode
from autofi.readers import open_table

#: Times a case's values are repeated, so that a random split leaves some of each in every part.
TIMES = 40
CLICKS = [0, 1, 1, 0, 1]
ZONES = [None, "UTC", "Europe/Berlin", "+02:00"]
UUIDS = [uuid.UUID(int=7), uuid.UUID(int=2**127 + 5)]
MOMENTS = [dt.datetime(2024, 1, 2, 3, 4, 5), dt.datetime(1969, 12, 31, 23, 59, 59)]
DAYS = [dt.date(2024, 1, 2), dt.date(1969, 12, 31)]
READ, LEFT_OUT = "read", "left out"

Frame = pa.Table | pd.DataFrame | pl.DataFrame


def spread(values: list[Any], *, missing: bool = True) -> list[Any]:
    """Two values and a gap, as often as there are clicks."""
    first, second = values
    return [first, second, None if missing else first, second, second] * TIMES


def arrow(kind: pa.DataType, values: list[Any]) -> Callable[[], pa.Array]:
    return lambda: pa.array(spread(values), kind)


def extension(kind: pa.BaseExtensionType, values: list[Any]) -> Callable[[], pa.Array]:
    return lambda: pa.ExtensionArray.from_storage(kind, pa.array(spread(values), kind.storage_type))


def arrow_types() -> dict[str, tuple[Callable[[], pa.Array], str]]:
    cases: dict[str, tuple[Callable[[], pa.Array], str]] = {}
    integers = [pa.int8, pa.int16, pa.int32, pa.int64, pa.uint8, pa.uint16, pa.uint32, pa.uint64]
    floats = [pa.float16, pa.float32, pa.float64]
    texts = [pa.string, pa.large_string, pa.string_view, pa.binary, pa.large_binary, pa.binary_view]
    for make in (*integers, *floats):
        cases[str(make())] = arrow(make(), [3, 7]), READ
        cases[f"list of {make()}"] = arrow(pa.list_(make()), [[3, 7], [7]]), READ
    for make in texts:
        cases[str(make())] = arrow(make(), ["a", "b c"]), READ
    for kind in (pa.decimal32(5, 2), pa.decimal64(5, 2), pa.decimal128(5, 2), pa.decimal256(60, 2)):
        cases[str(kind)] = arrow(kind, [decimal.Decimal("1.50"), decimal.Decimal("2")]), READ
    cases["bool"] = arrow(pa.bool_(), [True, False]), READ
    cases["null"] = (lambda: pa.nulls(len(CLICKS) * TIMES)), LEFT_OUT
    cases["binary[2]"] = arrow(pa.binary(2), [b"ab", b"cd"]), READ
    cases["binary that is no text"] = arrow(pa.binary(), [b"\xff\xfe", b"cd"]), LEFT_OUT
    for kind in (pa.date32(), pa.date64()):
        cases[str(kind)] = arrow(kind, DAYS), READ
    for unit in ("s", "ms", "us", "ns"):
        for zone in ZONES:
            cases[f"timestamp[{unit}, {zone}]"] = arrow(pa.timestamp(unit, zone), MOMENTS), READ
        cases[f"duration[{unit}]"] = (
            arrow(pa.duration(unit), [dt.timedelta(seconds=5), dt.timedelta(days=2)]),
            READ,
        )
    for kind in (pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns")):
        cases[str(kind)] = arrow(kind, [dt.time(1, 2, 3), dt.time(23, 0, 0)]), READ
    cases["month_day_nano"] = arrow(pa.month_day_nano_interval(), [(1, 2, 3), (4, 5, 6)]), LEFT_OUT
    text_lists = [["a", "b"], ["c", None]]
    for kind in (
        pa.list_(pa.string()),
        pa.large_list(pa.string()),
        pa.list_view(pa.string()),
        pa.large_list_view(pa.string()),
        pa.list_(pa.string(), 2),
        pa.list_(pa.string_view()),
        pa.list_view(pa.binary_view()),
        pa.list_(pa.large_string(), 2),
        pa.list_(pa.dictionary(pa.int8(), pa.string())),
        pa.large_list(pa.dictionary(pa.int32(), pa.large_string())),
    ):
        cases[str(kind)] = arrow(kind, text_lists), READ
    cases["list of lists"] = arrow(pa.list_(pa.list_(pa.int32())), [[[1], [2]], [[3]]]), READ
    cases["list of timestamps"] = arrow(pa.list_(pa.timestamp("us")), [MOMENTS, MOMENTS[:1]]), READ
    cases["list of null"] = arrow(pa.list_(pa.null()), [[], [None]]), LEFT_OUT
    cases["list of structs"] = arrow(pa.list_(pa.struct([("a", pa.int8())])), [[{"a": 1}], []]), LEFT_OUT
    cases["struct"] = arrow(pa.struct([("a", pa.int8())]), [{"a": 1}, {"a": 2}]), LEFT_OUT
    cases["map"] = arrow(pa.map_(pa.string(), pa.int8()), [[("a", 1)], [("b", 2)]]), LEFT_OUT
    for mode in ("dense", "sparse"):
        cases[f"{mode} union"] = (lambda mode=mode: union(mode)), LEFT_OUT
    for values, value_type in (
        (["a", "b"], pa.string()),
        (["a", "b"], pa.large_string()),
        (["a", "b"], pa.string_view()),
        ([b"a", b"b"], pa.binary()),
        ([3, 7], pa.int64()),
        ([1.5, 7.0], pa.float32()),
        ([True, False], pa.bool_()),
        (MOMENTS, pa.timestamp("us", "UTC")),
        (DAYS, pa.date32()),
        ([decimal.Decimal("1.5"), decimal.Decimal("2.5")], pa.decimal128(4, 1)),
        ([["a"], ["b", "c"]], pa.list_(pa.string())),
    ):
        for index in (pa.int8(), pa.uint64()):
            cases[f"dictionary[{index}] of {value_type}"] = dictionary(index, value_type, values), READ
    cases["dictionary of structs"] = (
        dictionary(pa.int8(), pa.struct([("a", pa.int8())]), [{"a": 1}, {"a": 2}]),
        LEFT_OUT,
    )
    for inner, values in (
        (pa.string(), ["a", "b"]),
        (pa.int64(), [3, 7]),
        (pa.timestamp("s"), MOMENTS),
        (pa.dictionary(pa.int8(), pa.string()), ["a", "b"]),
    ):
        cases[f"run ends of {inner}"] = run_ends(inner, values), READ
    cases["uuid"] = extension(pa.uuid(), [each.bytes for each in UUIDS]), READ
    cases["json"] = extension(pa.json_(), ['{"a": 1}', "2"]), READ
    cases["bool8"] = extension(pa.bool8(), [1, 0]), READ
    cases["opaque text"] = extension(pa.opaque(pa.string(), "geometry", "postgis"), ["a", "b"]), READ
    cases["opaque struct"] = (
        extension(pa.opaque(pa.struct([("a", pa.int8())]), "point", "postgis"), [{"a": 1}, {"a": 2}]),
        LEFT_OUT,
    )
    cases["tensor"] = extension(pa.fixed_shape_tensor(pa.int32(), [2]), [[1, 2], [3, 4]]), READ
    cases["extension of someone's own"] = (lambda: Tagged.of(pa.array(spread(["a", "b"])))), READ
    cases["dictionary of uuid"] = (
        (
            lambda: pa.DictionaryArray.from_arrays(
                pa.array(spread([0, 1]), pa.int8()),
                pa.ExtensionArray.from_storage(
                    pa.uuid(), pa.array([each.bytes for each in UUIDS], pa.binary(16))
                ),
            )
        ),
        READ,
    )
    cases["list of uuid"] = (
        (
            lambda: pa.ListArray.from_arrays(
                pa.array(range(len(CLICKS) * TIMES + 1), pa.int32()),
                extension(pa.uuid(), [e.bytes for e in UUIDS])(),
            )
        ),
        READ,
    )
    return cases


class Tagged(pa.ExtensionType):
    """An extension type of someone's own."""

    def __init__(self, storage: pa.DataType) -> None:
        super().__init__(storage, "tests.tagged")

    def __arrow_ext_serialize__(self) -> bytes:
        return b""

    @classmethod
    def __arrow_ext_deserialize__(cls, storage: pa.DataType, serialized: bytes) -> Tagged:
        return cls(storage)

    @classmethod
    def of(cls, storage: pa.Array) -> pa.ExtensionArray:
        return pa.ExtensionArray.from_storage(cls(storage.type), storage)


def union(mode: str) -> pa.Array:
    count = len(CLICKS) * TIMES
    types = pa.array([0, 1] * (count // 2), pa.int8())
    if mode == "sparse":
        return pa.UnionArray.from_sparse(types, [pa.array(range(count)), pa.array(map(str, range(count)))])
    offsets = pa.array([place // 2 for place in range(count)], pa.int32())
    return pa.UnionArray.from_dense(
        types, offsets, [pa.array(range(count)), pa.array(map(str, range(count)))]
    )


def dictionary(index: pa.DataType, value_type: pa.DataType, values: list[Any]) -> Callable[[], pa.Array]:
    return lambda: pa.DictionaryArray.from_arrays(
        pa.array(spread([0, 1]), index), pa.array(values, value_type)
    )


def run_ends(inner: pa.DataType, values: list[Any]) -> Callable[[], pa.Array]:
    # With a start inside a run, as a slice of a longer column has.
    return lambda: pa.RunEndEncodedArray.from_arrays(
        pa.array(range(2, 2 + len(CLICKS) * TIMES), pa.int32()), pa.array(spread(values), inner)
    ).slice(1)


def pandas_types() -> dict[str, tuple[Callable[[], Any], str]]:
    cases: dict[str, tuple[Callable[[], Any], str]] = {}

    def series(
        name: str, values: list[Any], dtype: Any, *, missing: bool = True, outcome: str = READ
    ) -> None:
        cases[name] = (lambda: pd.Series(spread(values, missing=missing), dtype=dtype)), outcome

    for bits in (8, 16, 32, 64):
        for sign in ("int", "uint"):
            series(f"{sign}{bits}", [3, 7], f"{sign}{bits}", missing=False)
            series(f"nullable {sign}{bits}", [3, 7], f"{sign.replace('i', 'I').replace('uI', 'UI')}{bits}")
    for name in ("float16", "float32", "float64", "longdouble"):
        series(name, [1.5, 7], name)
    for name in ("Float32", "Float64"):
        series(name, [1.5, 7], name)
    series("bool", [True, False], "bool", missing=False)
    series("boolean", [True, False], "boolean")
    for name in ("string[python]", "string[pyarrow]", "str", "object"):
        series(f"text as {name}", ["a", "b c"], name)
    for kind, values in (
        (pa.int64(), [3, 7]),
        (pa.string(), ["a", "b"]),
        (pa.list_(pa.int8()), [[3], [7, 8]]),
        (pa.decimal128(4, 1), [decimal.Decimal("1.5"), decimal.Decimal(2)]),
        (pa.dictionary(pa.int8(), pa.string()), ["a", "b"]),
        (pa.timestamp("us", "UTC"), MOMENTS),
    ):
        cases[f"ArrowDtype {kind}"] = (
            (
                lambda kind=kind, values=values: pd.Series(
                    pd.arrays.ArrowExtensionArray(pa.array(spread(values), kind))  # type: ignore[attr-defined]
                )
            ),
            READ,
        )
    series(
        "struct of ArrowDtype",
        [{"a": 1}, {"a": 2}],
        pd.ArrowDtype(pa.struct([("a", pa.int8())])),
        outcome=LEFT_OUT,
    )
    for name, values in (
        ("str", ["a", "b"]),
        ("int", [3, 7]),
        ("float", [1.5, 2.5]),
        ("bool", [True, False]),
    ):
        series(f"category of {name}", values, "category")
    series("category of intervals", list(pd.interval_range(0, 2)), "category")
    series("category of days", [pd.Timestamp("2024-01-02"), pd.Timestamp("2024-01-03")], "category")
    series("category of mixed", ["a", 7], "category")
    for unit in ("s", "ms", "us", "ns"):
        for zone in ("", ", Europe/Berlin"):
            series(f"datetime64[{unit}{zone}]", list(map(pd.Timestamp, MOMENTS)), f"datetime64[{unit}{zone}]")
        series(f"timedelta64[{unit}]", [pd.Timedelta(5, "s"), pd.Timedelta(2, "D")], f"timedelta64[{unit}]")
    series("Period", list(pd.period_range("2024-01", periods=2, freq="M")), "period[M]")
    series("Interval", list(pd.interval_range(0, 2)), "interval")
    series("Sparse[int]", [3, 7], pd.SparseDtype("int64", 0), missing=False)
    series("Sparse[float]", [1.5, 7], pd.SparseDtype("float64"))
    series("complex", [1j, 2 + 1j], "complex128", outcome=LEFT_OUT)
    for name, values, outcome in (
        ("int and str", [1, "a"], READ),
        ("str and int", ["a", 1], READ),
        ("int and float", [2**53 + 1, 1.5], READ),
        ("int and bool", [2, True], READ),
        ("huge int", [2**70, 2**71], READ),
        ("huge int and str", [2**70, "a"], READ),
        ("Decimal", [decimal.Decimal("1.5"), decimal.Decimal("2.25")], READ),
        ("Decimal and str", [decimal.Decimal("1.5"), "a"], READ),
        ("date", DAYS, READ),
        ("date and datetime", [DAYS[0], MOMENTS[0]], READ),
        ("date and str", [DAYS[0], "never"], READ),
        ("time", [dt.time(1, 2), dt.time(3, 4)], READ),
        ("UUID", UUIDS, READ),
        ("UUID and str", [UUIDS[0], "a"], READ),
        ("bytes", [b"a", b"b"], READ),
        ("bytes and str", [b"a", "b"], READ),
        ("bytes that are no text", [b"\xff", b"b"], LEFT_OUT),
        ("list", [["a"], ["a", "b"]], READ),
        ("list of mixed", [["a", 1], [2, "b"]], READ),
        ("list and tuple", [["a"], ("a", "b")], READ),
        ("tuple", [(1,), (2, 3)], READ),
        ("set", [{"a", "b"}, {"c"}], READ),
        ("frozenset of mixed", [frozenset({"a", 1}), frozenset({2})], READ),
        ("array", [np.array([1, 2]), np.array([3])], READ),
        ("list and str", [["a"], "a"], LEFT_OUT),
        ("list of dicts", [[{"a": 1}], [{"a": 2}]], LEFT_OUT),
        ("list of objects", [[object()], [object(), "a"]], LEFT_OUT),
        ("dict", [{"a": 1}, {"b": 2}], LEFT_OUT),
        ("dict and str", [{"a": 1}, "b"], LEFT_OUT),
        ("complex", [1j, 2j], LEFT_OUT),
        ("objects", [object(), object()], LEFT_OUT),
        ("Period and str", [pd.Period("2024-01"), "a"], READ),
        ("datetime with and without a zone", [MOMENTS[0], MOMENTS[1].replace(tzinfo=dt.UTC)], READ),
    ):
        series(f"objects: {name}", values, "object", outcome=outcome)
    return cases


def polars_types() -> dict[str, tuple[Callable[[], pl.Series], str]]:
    cases: dict[str, tuple[Callable[[], pl.Series], str]] = {}

    def series(dtype: Any, values: list[Any], outcome: str = READ) -> None:
        cases[str(dtype)] = (lambda: pl.Series(spread(values), dtype=dtype)), outcome

    integers = [
        pl.Int8,
        pl.Int16,
        pl.Int32,
        pl.Int64,
        pl.Int128,
        pl.UInt8,
        pl.UInt16,
        pl.UInt32,
        pl.UInt64,
        pl.UInt128,
    ]
    for dtype in (*integers, pl.Float16, pl.Float32, pl.Float64):
        series(dtype, [3, 7])
    series(pl.Decimal(10, 2), [decimal.Decimal("1.5"), decimal.Decimal("2.25")])
    series(pl.Boolean, [True, False])
    series(pl.String, ["a", "b c"])
    series(pl.Categorical, ["a", "b"])
    series(pl.Enum(["a", "b"]), ["a", "b"])
    series(pl.Binary, [b"a", b"b"])
    series(pl.Date, DAYS)
    series(pl.Time, [dt.time(1, 2), dt.time(3, 4)])
    for unit in ("ms", "us", "ns"):
        series(pl.Duration(unit), [dt.timedelta(1), dt.timedelta(2)])
        series(pl.Datetime(unit), MOMENTS)
        series(pl.Datetime(unit, "UTC"), [each.replace(tzinfo=dt.UTC) for each in MOMENTS])
    series(pl.List(pl.String), [["a", "b"], ["c"]])
    series(pl.List(pl.Categorical), [["a", "b"], ["c"]])
    series(pl.List(pl.Int8), [[1, 2], [3]])
    series(pl.Array(pl.Int8, 2), [[1, 2], [3, 4]])
    series(pl.Struct({"a": pl.Int8}), [{"a": 1}, {"a": 2}], LEFT_OUT)
    series(pl.Null, [None, None], LEFT_OUT)
    cases["Object of texts"] = (lambda: pl.Series(spread(["a", 1]), dtype=pl.Object)), READ
    cases["Object"] = (lambda: pl.Series(spread([object(), object()]), dtype=pl.Object)), LEFT_OUT
    return cases


def frames() -> dict[str, tuple[Callable[[], Frame], str]]:
    hours, clicks = list(range(len(CLICKS))) * TIMES, CLICKS * TIMES
    found: dict[str, tuple[Callable[[], Frame], str]] = {}
    for name, (make, outcome) in arrow_types().items():
        found[f"Arrow {name}"] = (
            (lambda make=make: pa.table({"x": make(), "hour": hours, "click": clicks})),
            outcome,
        )
    for name, (make, outcome) in pandas_types().items():
        found[f"pandas {name}"] = (
            (lambda make=make: pd.DataFrame({"x": make(), "hour": hours, "click": clicks})),
            outcome,
        )
    for name, (make, outcome) in polars_types().items():
        found[f"Polars {name}"] = (
            (lambda make=make: pl.DataFrame({"x": make(), "hour": hours, "click": clicks})),
            outcome,
        )
    return found


FRAMES = frames()


@pytest.mark.parametrize("name", FRAMES)
def test_every_type_is_read_by_value_or_left_out_with_a_note(name: str) -> None:
    make, outcome = FRAMES[name]
    frame = make()
    found = autofi.inspect_table(frame, target="click")
    (summary,) = (each for each in found.summaries if each.name == "x")
    if outcome == LEFT_OUT:
        assert summary.role == "ignored"
        assert summary.note is not None
        assert "not read" in summary.note or summary.note == "all values are missing"
    else:
        assert summary.role == "field", summary.note
    table = open_table(frame)
    encoded = encode(table, found.schema, seed=0)
    assert len(encoded.labels) == len(CLICKS) * TIMES
    (rows,) = encoded.encoder.transform(open_table(frame))
    if outcome == READ:
        place = encoded.encoder.schema.names.index("x")
        ids = np.asarray(rows.ids)[:, place].reshape(TIMES, len(CLICKS))
        assert (ids == ids[0]).all()  # equal values have one id
        kinds = [ids[0, 0] != ids[0, 1], ids[0, 1] == ids[0, 3], ids[0, 3] == ids[0, 4]]
        assert all(kinds)  # and different ones have different ids


@pytest.mark.parametrize("columns", [[("a", "x"), ("a", "click")], ["x", 7], [("x",), 1.5]])
def test_column_names_of_pandas_that_are_no_text_become_text(columns: list[Any]) -> None:
    frame = pd.DataFrame([[1, 0], [2, 1]], columns=columns)
    if isinstance(columns[0], tuple) and len(columns[0]) == 2:
        frame.columns = pd.MultiIndex.from_tuples(columns)
    assert open_table(frame).columns == tuple(map(str, columns))


def test_mixed_objects_are_the_texts_of_their_values() -> None:
    values = [
        7,
        "7",
        7.0,
        1.5,
        "a",
        decimal.Decimal("1.50"),
        True,
        None,
        float("nan"),
        pd.NA,
        UUIDS[0],
        2**70,
    ]
    table = open_table(pd.DataFrame({"x": pd.Series(values, dtype=object)}))
    (batch,) = table.batches()
    expected = ["7", "7", "7", "1.5", "a", "1.5", "true", None, None, None, str(UUIDS[0]), str(2**70)]
    assert batch.column(0).to_pylist() == expected
    assert table.remarks["x"] == "values of types Decimal, UUID, bool, float, int and str are read as texts"


def test_uuids_of_slices_and_gaps_are_their_texts() -> None:
    storage = pa.array([UUIDS[1].bytes, None, *(each.bytes for each in UUIDS)], pa.binary(16)).slice(1)
    table = pa.table({"x": pa.ExtensionArray.from_storage(pa.uuid(), storage)})
    (batch,) = open_table(table).batches()
    assert batch.column(0).to_pylist() == [None, *map(str, UUIDS)]


def test_lists_of_any_form_are_their_values() -> None:
    values = [["a", None], None, [], ["b", "c"]]
    for kind in (
        pa.list_view(pa.string_view()),
        pa.large_list_view(pa.string()),
        pa.list_(pa.dictionary(pa.int8(), pa.string())),
        pa.large_list(pa.binary_view()),
    ):
        column = pa.array([["z"], *values], kind).slice(1)
        (batch,) = open_table(pa.table({"x": column})).batches()
        read = batch.column(0)
        assert pc.cast(read, pa.list_(pa.string())).to_pylist() == values
