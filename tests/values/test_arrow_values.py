from __future__ import annotations

import datetime as dt
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, strategies as st

from autofi.values.arrow_values import (
    UnreadableValueError,
    as_numbers,
    as_times,
    as_tokens,
    canonical_strings,
)

MOMENT = dt.datetime(2024, 1, 2, 3, 4, 5)


@given(st.lists(st.none() | st.integers(-(2**53), 2**53), min_size=1))
def test_an_integer_is_one_value_in_every_type_that_can_hold_it(ids: list[int | None]) -> None:
    expected = [None if value is None else str(value) for value in ids]
    integers = pa.array(ids, pa.int64())
    for same in (
        integers,
        integers.cast(pa.float64()),
        integers.cast(pa.decimal128(30, 2)),
        pa.array(["" if value is None else str(value) for value in ids]),
        pa.array(expected, pa.large_string()),
        pa.array(expected, pa.string_view()),
        integers.dictionary_encode(),
        pa.chunked_array([integers[:1], integers[1:]]),
    ):
        text = canonical_strings(same)
        assert text.type == pa.string()
        assert text.to_pylist() == expected
        np.testing.assert_array_equal(as_numbers(same), [np.nan if value is None else value for value in ids])


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array([1.0, 2.5, None, float("nan"), -0.0]), ["1", "2.5", None, None, "0"]),
        (pa.array([0.1, 3.0], pa.float32()), ["0.1", "3"]),
        (pa.array([True, None]), ["true", None]),
        (pa.array(["007", " a", "", None]), ["007", " a", None, None]),
        (pa.array([b"ab", b""]), ["ab", None]),
        (pa.array([Decimal("1.50"), Decimal("200.00")]), ["1.5", "200"]),
        (pa.array([MOMENT], pa.timestamp("s")), ["2024-01-02T03:04:05"]),
        (pa.array([MOMENT], pa.timestamp("ns")), ["2024-01-02T03:04:05"]),
        (pa.array([MOMENT], pa.timestamp("us", "Europe/Berlin")), ["2024-01-02T03:04:05Z"]),
        (pa.array([MOMENT.replace(microsecond=500_000)]), ["2024-01-02T03:04:05.5"]),
        (pa.array([MOMENT.date()]), ["2024-01-02"]),
        (pa.array([MOMENT.date()], pa.date64()), ["2024-01-02"]),
        (pa.array([["a", "b"], [], None, [None, "c"]]), ["a|b", None, None, "c"]),
        (pa.array([None, None]), [None, None]),
    ],
)
def test_canonical_text(column: pa.Array, expected: list[str | None]) -> None:
    assert canonical_strings(column).to_pylist() == expected


def test_numbers_of_other_types() -> None:
    seconds = MOMENT.replace(tzinfo=dt.UTC).timestamp()
    assert as_numbers(pa.array([MOMENT], pa.timestamp("ns")))[0] == seconds
    assert as_numbers(pa.array([MOMENT.date()]))[0] == seconds - (3 * 3600 + 4 * 60 + 5)
    assert as_numbers(pa.array([True, False])).tolist() == [1.0, 0.0]
    np.testing.assert_array_equal(
        as_numbers(pa.array([" 1.5", "1e3 ", "nan", "", None, "inf"])),
        [1.5, 1000.0, np.nan, np.nan, np.nan, np.inf],
    )


@given(st.lists(st.sampled_from(["1", "2.5", "", None, " 3", "x", "1,5", "0x1"]), min_size=1, max_size=40))
def test_the_first_text_that_is_no_number_is_named(texts: list[str | None]) -> None:
    bad = [i for i, text in enumerate(texts) if text in ("x", "1,5", "0x1")]
    for column in (pa.array(texts, pa.string()), pa.array(texts, pa.string()).dictionary_encode()):
        if not bad:
            assert len(as_numbers(column)) == len(texts)
            continue
        with pytest.raises(UnreadableValueError) as error:
            as_numbers(column)
        assert (error.value.position, error.value.value) == (bad[0], texts[bad[0]])


@given(
    st.lists(
        st.none() | st.lists(st.none() | st.sampled_from(["", "a", "b", "cd"]), max_size=4),
        min_size=1,
        max_size=8,
    ),
    st.integers(0, 3),
)
def test_lists_and_separated_text_give_the_same_tokens(
    rows: list[list[str | None] | None], start: int
) -> None:
    expected = [[token for token in row or () if token] or None for row in rows][start:]
    joined = pa.array([None if row is None else ",".join(token or "" for token in row) for row in rows])
    assert as_tokens(joined.cast(pa.string())[start:], ",").to_pylist() == expected
    for kind in (pa.list_(pa.string()), pa.large_list(pa.string()), pa.list_view(pa.string())):
        tokens = as_tokens(pa.array(rows, kind)[start:], None)
        tokens.validate(full=True)
        assert tokens.to_pylist() == expected


def test_text_met_where_lists_were_fitted_is_split_at_their_canonical_separator() -> None:
    lists = pa.array([[3, 4], [5]])
    assert as_tokens(canonical_strings(lists), None).to_pylist() == as_tokens(lists, None).to_pylist()


def test_times_are_numbers_or_iso_text() -> None:
    seconds = MOMENT.replace(tzinfo=dt.UTC).timestamp()
    for text in ("2024-01-02 03:04:05", "2024-01-02T03:04:05Z", "2024-01-02T05:04:05+02:00"):
        assert as_times(pa.array([text]))[0] == seconds
    assert as_times(pa.array(["14102100"]))[0] == 14102100
    with pytest.raises(UnreadableValueError, match="'soon' at position 1"):
        as_times(pa.array(["2024-01-02", "soon"]))


def test_nested_columns_and_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(UnreadableValueError, match="struct"):
        canonical_strings(pa.array([{"a": 1}]))
    with pytest.raises(UnreadableValueError, match="position 1 is not UTF-8"):
        canonical_strings(pa.array([b"a", b"\xff"]))
