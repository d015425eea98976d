from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest

from autofi.data.label_columns import located, read_groups, read_labels, read_weights
from autofi.errors import DataError
from autofi.values.arrow_values import UnreadableValueError


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array([1, 0, 1]), [1, 0, 1]),
        (pa.array([-1.0, 1.0]), [-1, 1]),
        (pa.array([True, False]), [1, 0]),
        (pa.array(["0", "1", "1.0", "TRUE", " false "]), [0, 1, 1, 1, 0]),
        (pa.array(["1", "0"]).dictionary_encode(), [1, 0]),
        (pa.array([], pa.string()), []),
    ],
)
def test_labels_are_read_from_numbers_booleans_and_texts(column: pa.Array, expected: list[int]) -> None:
    assert read_labels(column).tolist() == expected


@pytest.mark.parametrize(
    ("column", "position"),
    [
        (pa.array([0, 1, 2]), 2),
        (pa.array(["1", None]), 1),
        (pa.array(["1", "yes", "maybe"]), 1),
        (pa.array([0.5]), 0),
        (pa.array([1.0, math.nan]), 1),
    ],
)
def test_other_labels_are_refused_by_position(column: pa.Array, position: int) -> None:
    with pytest.raises(UnreadableValueError, match="label") as caught:
        read_labels(column)
    assert caught.value.position == position


def test_weights_are_finite_and_not_negative() -> None:
    weights = read_weights(pa.array(["1.5", "0"]))
    assert weights.dtype == np.float32
    assert weights.tolist() == [1.5, 0.0]
    for wrong in ([1.0, -0.5], [1.0, math.inf], [1.0, None]):
        with pytest.raises(UnreadableValueError, match="weight") as caught:
            read_weights(pa.array(wrong))
        assert caught.value.position == 1


def test_groups_are_equal_where_the_values_are_whatever_their_type() -> None:
    groups = read_groups(pa.array(["7", "8", "7", None, ""]))
    assert groups.dtype == np.int64
    assert groups[0] == groups[2]
    assert groups[3] == groups[4]
    assert len(set(groups.tolist())) == 3
    assert read_groups(pa.array([7, 8])).tolist() == groups[:2].tolist()
    # XXH3-64 of "7": splits by group made with another version must stay as they are.
    assert groups.view(np.uint64)[0] == 0x6EED105B82285FA


def test_an_unreadable_value_is_reported_with_its_place() -> None:
    with (
        pytest.raises(
            DataError, match=r"Row 13 of clicks\.csv has 'x' in column 'click', which is not a number"
        ),
        located("clicks.csv", "click", [10, 12]),
    ):
        raise UnreadableValueError("x", 1, "a number")
