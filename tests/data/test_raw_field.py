from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from autofi.data.raw_field import FieldValues
from autofi.data.schema import Field, FieldKind
from autofi.values.arrow_values import UnreadableValueError


def test_tokens_are_one_text_however_they_came() -> None:
    text = FieldValues(pa.array(["a;b", "a", None]), Field("x", FieldKind.MULTI_VALUED, separator=";"))
    lists = FieldValues(pa.array([["a", "b"], ["a"], []]), Field("x", FieldKind.MULTI_VALUED))
    assert text.codes().to_pylist() == ["a|b", "a", None]
    assert lists.codes().to_pylist() == ["a|b", "a", None]
    assert text.tokens().to_pylist() == lists.tokens().to_pylist() == [["a", "b"], ["a"], None]


def test_an_unseen_text_among_numeric_ids_has_no_number() -> None:
    field = Field("id", FieldKind.CATEGORICAL, reads_as_number=True)
    numbers = FieldValues(pa.array(["12", "A12", None, "3", "A12"]), field).numbers()
    assert np.array_equal(numbers, [12, np.nan, np.nan, 3, np.nan], equal_nan=True)


def test_a_numeric_field_refuses_other_text() -> None:
    with pytest.raises(UnreadableValueError, match="'A12' at position 1"):
        FieldValues(pa.array(["12", "A12"]), Field("price", FieldKind.NUMERIC)).numbers()
