from __future__ import annotations

import datetime as dt
from decimal import Decimal, InvalidOperation

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, strategies as st

from autofi.values.arrow_values import UnreadableValueError, as_numbers, canonical_codes, canonical_strings
from autofi.values.text_values import decimal_mark
from autofi.values.value_types import MISSING_MARKS, Reading, ValueType

INTEGER, NUMBER, TEXT = Reading(ValueType.INTEGER), Reading(ValueType.NUMBER), Reading(ValueType.TEXT)
TIME, DURATION = Reading(ValueType.TIME), Reading(ValueType.DURATION)
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def slow_integer(text: str) -> str | None:
    """One text after the other, by Python's exact decimals."""
    cut = text.strip()
    if cut.lower() in MISSING_MARKS:
        return None
    if cut.lower() in ("true", "false"):
        return str(int(cut.lower() == "true"))
    digits = cut.lstrip("+-")
    try:
        value = Decimal(cut)
    except InvalidOperation:
        return text
    if "_" in cut or not value.is_finite() or (digits[:1] == "0" and digits[1:2].isdigit()):
        return text
    return str(int(value)) if value == value.to_integral_value() else repr(float(value))


SPELLED = st.one_of(
    st.integers(-(10**15), 10**15).flatmap(
        lambda value: st.sampled_from(
            [
                str(value),
                f"{value}.0",
                f"{value}.",
                f"{value:+d}",
                f" {value}\t",
                f"{value}e0",
                f"{value}00e-2",
            ]
        )
    ),
    st.sampled_from(["007", "-0", "+0.0", "00", "0.5", "-1.25", "1e3", "abc", "7a", "", " ", "1_0", "0x1"]),
    st.sampled_from(sorted(MISSING_MARKS)).flatmap(
        lambda mark: st.sampled_from([mark, mark.upper(), f" {mark}"])
    ),
    st.sampled_from(["true", "True", "FALSE", "t", "inf", "-Infinity"]),
)


@given(st.lists(SPELLED, min_size=1, max_size=30))
def test_whole_numbers_have_one_text_however_they_are_written(texts: list[str]) -> None:
    expected = [slow_integer(text) for text in texts]
    column = pa.array(texts, pa.string())
    for same in (column, column.dictionary_encode(), column.cast(pa.large_string())):
        assert canonical_strings(same, INTEGER).to_pylist() == expected
    codes = canonical_codes(column, INTEGER)
    assert codes.dictionary.take(codes.indices).to_pylist() == expected
    assert canonical_strings(canonical_strings(column, INTEGER), INTEGER).to_pylist() == expected


@given(st.lists(st.none() | st.floats(-(2.0**40), 2.0**40, width=32), min_size=1, max_size=20))
def test_a_number_is_the_same_in_every_type_and_as_text(values: list[float | None]) -> None:
    single = pa.array(values, pa.float32())
    spelled = [
        None if value is None else str(int(value) if value == int(value) else np.float32(value))
        for value in values
    ]
    expected = np.array([np.nan if text is None else float(text) for text in spelled])
    texts = pa.array(spelled, pa.string())
    for same in (single, texts, pa.array(expected, from_pandas=True), single.dictionary_encode()):
        np.testing.assert_array_equal(as_numbers(same, NUMBER), expected)
        assert canonical_strings(same, NUMBER).to_pylist() == canonical_strings(texts, NUMBER).to_pylist()


@given(st.lists(st.decimals(-(10**9), 10**9, places=4), min_size=1, max_size=20))
def test_decimals_are_read_by_value(values: list[Decimal]) -> None:
    column = pa.array(values, pa.decimal128(20, 4))
    assert as_numbers(column, NUMBER).tolist() == [float(value) for value in values]


MOMENTS = st.datetimes(dt.datetime(1700, 1, 1), dt.datetime(2200, 1, 1))


@given(st.lists(MOMENTS, min_size=1, max_size=10))
def test_times_are_the_same_as_text_and_in_every_type(moments: list[dt.datetime]) -> None:
    expected = [(moment.replace(tzinfo=dt.UTC) - EPOCH) / dt.timedelta(seconds=1) for moment in moments]
    utc = [moment.replace(tzinfo=dt.UTC) for moment in moments]
    east = dt.timezone(dt.timedelta(hours=5, minutes=30))
    for same in (
        pa.array(moments, pa.timestamp("us")),
        pa.array(moments, pa.timestamp("ns")),
        pa.array(utc, pa.timestamp("us", "Asia/Tokyo")),
        pa.array([str(moment) for moment in moments]),
        pa.array([moment.isoformat() for moment in utc]),
        pa.array([moment.astimezone(east).isoformat(" ") for moment in utc]),
        pa.array([moment.isoformat() + "Z" for moment in moments]),
        pa.array(
            [moment.isoformat() if place % 2 else str(utc[place]) for place, moment in enumerate(moments)]
        ),
    ):
        np.testing.assert_allclose(as_numbers(same, TIME), expected, rtol=0, atol=2e-6)
        np.testing.assert_array_equal(
            as_numbers(same, TIME), as_numbers(pa.array(moments, pa.timestamp("us")), TIME)
        )
        first = pa.array(moments, pa.timestamp("us"))
        assert canonical_strings(same, TIME).to_pylist() == canonical_strings(first, TIME).to_pylist()


def test_dates_are_midnight_and_days_that_there_are_not_are_named() -> None:
    days = pa.array([dt.date(2024, 2, 29), None])
    assert canonical_strings(days, TIME).to_pylist() == ["2024-02-29", None]
    assert as_numbers(pa.array(["2024-02-29", "NaT"]), TIME)[0] == as_numbers(days, TIME)[0] == 1709164800
    with pytest.raises(UnreadableValueError, match="'2023-02-29' at position 1"):
        as_numbers(pa.array(["2024-02-29", "2023-02-29", "2024-01-01"]), TIME)


@given(st.lists(st.timedeltas(dt.timedelta(-5000), dt.timedelta(5000)), min_size=1, max_size=10))
def test_durations_are_the_same_as_text_and_in_every_type(values: list[dt.timedelta]) -> None:
    typed = pa.array(values, pa.duration("us"))
    expected = as_numbers(typed, DURATION)
    np.testing.assert_allclose(expected, [value / dt.timedelta(seconds=1) for value in values])
    for same in (
        pa.array(values, pa.duration("ns")),
        pa.array([str(pd.Timedelta(value)) for value in values]),
        pa.array([str(value) for value in values]),
        pa.array([pd.Timedelta(value).isoformat() for value in values if value >= dt.timedelta(0)]),
    ):
        if len(same) == len(values):
            np.testing.assert_array_equal(as_numbers(same, DURATION), expected)


def test_times_of_the_day_are_seconds() -> None:
    clock = [dt.time(0, 0), dt.time(23, 59, 59, 500_000)]
    for same in (
        pa.array(clock),
        pa.array(["00:00", "23:59:59.5"]),
        pa.array([str(value) for value in clock]),
    ):
        assert as_numbers(same, DURATION).tolist() == [0.0, 86399.5]


@pytest.mark.parametrize(
    ("texts", "mark", "numbers"),
    [
        (["1,5", "2", "1.234,25"], ",", [1.5, 2, 1234.25]),
        (["1,5", "-3,0", ",25"], ",", [1.5, -3, 0.25]),
        (["1,234.5", "7", "12,345,678"], ".", [1234.5, 7, 12345678]),
        (["1 234,5", "7,0"], ",", [1234.5, 7]),
        (["1'234.5", "7.0"], ".", [1234.5, 7]),
        (["1\u00a0234", "17"], ".", [1234, 17]),
    ],
)
def test_decimal_commas_and_thousands_are_read_where_they_are_certain(
    texts: list[str], mark: str, numbers: list[float]
) -> None:
    column = pa.array(texts)
    assert decimal_mark(column) == (mark, True)
    assert as_numbers(column, Reading(ValueType.NUMBER, mark)).tolist() == numbers


@pytest.mark.parametrize("texts", [["1,234"], ["12,345", "7"], ["1.234", "5,678"]])
def test_a_comma_that_may_be_either_is_not_guessed(texts: list[str]) -> None:
    mark, certain = decimal_mark(pa.array(texts))
    assert mark is None or not certain or texts == ["1.234", "5,678"]


@pytest.mark.parametrize("texts", [["1,2,3"], ["1,23", "a"], ["12,34.5"], ["10.0.0.1"]])
def test_other_texts_with_commas_are_no_numbers(texts: list[str]) -> None:
    assert decimal_mark(pa.array(texts))[0] is None


def test_marks_that_were_said_are_missing_in_text_and_among_numbers() -> None:
    said = Reading(ValueType.TEXT, missing=("unknown", "-1"))
    assert canonical_strings(pa.array(["NA", "unknown", " unknown ", "-1", "x"]), said).to_pylist() == [
        "NA", None, None, None, "x",
    ]  # fmt: skip
    ids = Reading(ValueType.INTEGER, missing=("-1",))
    for same in (pa.array([5, -1, 3]), pa.array(["5", "-1", "3"]), pa.array([5.0, -1.0, 3.0])):
        assert canonical_strings(same, ids).to_pylist() == ["5", None, "3"]
        np.testing.assert_array_equal(as_numbers(same, ids), [5, np.nan, 3])
    prices = Reading(ValueType.NUMBER, missing=("-999.0",))
    np.testing.assert_array_equal(as_numbers(pa.array([0.5, -999.0]), prices), [0.5, np.nan])
