"""Texts in a graph are read as the encoder reads them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st

from autofi.data.encoder import _bag
from autofi.data.vocabulary import Vocabulary
from autofi.errors import AutoFIError
from autofi.export.onnx_string_codes import bag_of, codes_of, joined, numbers_of, tokens_of
from autofi.values.arrow_values import as_numbers, as_tokens
from tests.export.run_graph import run

VOCABULARY = Vocabulary(pa.array(["b", "a", "ü", " ", "7"], pa.large_string()), np.arange(7))


def texts(*values: str) -> np.ndarray:
    return np.array(values, dtype=object)


def test_a_text_has_its_code_a_missing_one_0_and_another_1() -> None:
    given = texts("b", "a", "", "A", "ü", "  ", " ", "7", "7.0", "\x00", "x" * 5000)
    found = run(lambda value: codes_of(value, VOCABULARY, 7), given)
    assert found.tolist() == VOCABULARY.codes(pa.array([text or None for text in given])).tolist()


def test_values_beyond_the_limit_are_out_of_vocabulary() -> None:
    assert run(lambda value: codes_of(value, VOCABULARY, 4), texts("b", "a", "ü", "")).tolist() == [
        2,
        3,
        1,
        0,
    ]
    assert run(lambda value: codes_of(value, VOCABULARY, 0), texts("b", "")).tolist() == [1, 0]


def number(text: str) -> float:
    try:
        return float(as_numbers(pa.array([text]))[0])
    except (AutoFIError, ValueError):
        return np.nan


NUMBERS = (
    "5", "-5", "+5", "5.", ".5", "-.5", "007", "1e5", "1E-5", "1e+05", " 5 ", "\t5\n", "0", "-0", "9.9e307",
    "1e-300", "-1e300", "123456789012345678901234567890", "0.1", "1e999", "-1e999", "1e-999", "0e999", "inf", "-inf",
    "Infinity", "nan", "NaN", "", " ", "x", "5x", "x5", "1_0", "0x10", "1e", "e5", "--5", "5 5", "1,5", "١", "1e5.5",
)  # fmt: skip


@pytest.mark.parametrize("text", NUMBERS)
def test_a_text_is_the_number_that_a_column_of_it_is(text: str) -> None:
    np.testing.assert_array_equal(run(numbers_of, texts(text)), [number(text)])


@settings(max_examples=3, deadline=None, derandomize=True)
@given(
    st.lists(st.floats(allow_subnormal=False, max_value=1e307, min_value=-1e307), min_size=200, max_size=200)
)
def test_the_text_of_any_number_is_that_number(values: list[float]) -> None:
    found = run(numbers_of, texts(*map(repr, values)))
    small = np.abs(values) < 1e-307
    np.testing.assert_array_equal(np.where(small, 0, found), np.where(small, 0, values))


LISTS = (["a", "b"], [], ["", "a", "", "never"], ["b"] * 9, [""], ["a|b", "7"])


@pytest.mark.parametrize("separator", ["|", None])
@pytest.mark.parametrize("chosen", [LISTS, LISTS[1:2], LISTS[4:5]])
def test_a_list_is_its_first_tokens_or_one_missing(
    separator: str | None, chosen: tuple[list[str], ...]
) -> None:
    width = max(1, *map(len, chosen))
    padded = texts(*[""] * (len(chosen) * width)).reshape(len(chosen), width)
    for line, tokens in zip(padded, chosen, strict=True):
        line[: len(tokens)] = tokens
    lists = as_tokens(pa.array(chosen, pa.list_(pa.string())), separator)
    found = run(lambda value: bag_of(tokens_of(value, separator), VOCABULARY, 3), padded)
    assert found.tolist() == _bag(lists, VOCABULARY, 3).tolist()
    words = run(lambda value: joined(tokens_of(value, separator)), padded)
    assert words.tolist() == ["|".join(tokens or []) for tokens in lists.to_pylist()]


def test_lists_of_no_columns_are_empty() -> None:
    found = run(lambda value: bag_of(tokens_of(value, None), VOCABULARY, 2), np.empty((3, 0), dtype=object))
    assert found.tolist() == [[0, -1]] * 3
