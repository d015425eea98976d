"""Bins of numbers: equal parts of the positions, shifted away from the numbers of training rows."""

from __future__ import annotations

import numpy as np

from autofi.data.number_bins import with_bin_cardinalities, with_bins


def test_every_position_has_a_code_below_the_cardinality_and_missing_is_0() -> None:
    positions = np.array(
        [[np.nan, 0.0], [0.0, 1.0], [0.61, 2.0], [0.63, 2.9], [3.0, np.nan]], dtype=np.float32
    )
    ids = np.zeros((5, 1), dtype=np.int32)
    cardinalities = with_bin_cardinalities([7], [3, 3])
    assert cardinalities == (7, 5, 5)
    found = with_bins(ids, positions, cardinalities)
    np.testing.assert_array_equal(found[:, 1:], [[0, 1], [1, 2], [1, 3], [2, 4], [4, 0]])
    assert (found < cardinalities).all()


def test_a_border_of_positions_and_its_neighbours_share_a_bin() -> None:
    """A library that differs in the last bit must find the same bin for the numbers of training rows."""
    borders = np.arange(65, dtype=np.float32)
    around = [np.nextafter(borders[1:-1], np.float32(to)) for to in (-np.inf, np.inf)]
    cardinalities = with_bin_cardinalities([7], [64])
    below, above = (
        with_bins(np.zeros((63, 1), dtype=np.int32), part[:, None], cardinalities)[:, 1] for part in around
    )
    np.testing.assert_array_equal(below, above)


def test_without_bins_the_codes_are_as_they_were() -> None:
    ids = np.arange(4, dtype=np.int32).reshape(2, 2)
    np.testing.assert_array_equal(with_bins(ids, np.zeros((2, 1), dtype=np.float32), (9, 9)), ids)
