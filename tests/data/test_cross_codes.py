from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from autofi.data.cross_codes import (
    DIRECT_CELLS,
    cell_codes,
    cell_space,
    check_ids,
    count_cells,
    find_cells,
    rank_cells,
)

SPACES = [50, DIRECT_CELLS, DIRECT_CELLS + 1, 1 << 62, None]


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 4), st.integers(0, 8)), min_size=1))
def test_distinct_cells_have_distinct_codes_below_the_space(rows: list[tuple[int, int, int]]) -> None:
    ids = np.array(rows, dtype=np.int32)
    codes = cell_codes(list(ids.T), (7, 5, 9))
    assert codes.tolist() == [(a * 5 + b) * 9 + c for a, b, c in rows]
    assert codes.max() < cell_space((7, 5, 9))
    assert len(set(codes.tolist())) == len(set(rows))


def test_the_largest_code_that_fits_does_not_overflow() -> None:
    left, right = 1 << 32, 1 << 31
    assert cell_space((left, right)) == 1 << 63
    codes = cell_codes([np.array([left - 1]), np.array([right - 1])], (left, right))
    assert codes.tolist() == [(1 << 63) - 1]


def test_codes_beyond_63_bits_are_hashed_without_overflow_or_collision() -> None:
    cardinalities = (1 << 33, 1 << 31)
    assert cell_space(cardinalities) is None
    grid = np.array([(a, b) for a in range(300) for b in range(300)], dtype=np.int64)
    far = grid + np.array([(1 << 33) - 300, (1 << 31) - 300])
    rows = np.concatenate([grid, far])
    codes = cell_codes(list(rows.T), cardinalities)
    assert codes.min() >= 0
    assert len(np.unique(codes)) == len(rows)
    assert (codes == cell_codes(list(rows.T), cardinalities)).all()


def test_missing_and_out_of_vocabulary_never_share_a_code_with_values() -> None:
    ids = np.array([(a, b) for a in range(4) for b in range(5)])
    codes = cell_codes(list(ids.T), (4, 5))
    special = (ids < 2).any(axis=1)
    assert not set(codes[special]) & set(codes[~special])
    assert len(set(codes.tolist())) == 20


@pytest.mark.parametrize("space", SPACES)
@given(data=st.data())
def test_counts_and_ranks_equal_numpy_unique(space: int | None, data: st.DataObject) -> None:
    top = (space or 1 << 63) - 1
    pool = data.draw(st.lists(st.integers(0, top), min_size=1, max_size=8))
    codes = np.array(data.draw(st.lists(st.sampled_from(pool), min_size=1, max_size=50)), dtype=np.int64)
    expected, expected_ranks, expected_counts = np.unique(codes, return_inverse=True, return_counts=True)
    known, counts = count_cells(codes, space)
    assert known.tolist() == expected.tolist()
    assert counts.tolist() == expected_counts.tolist()
    known, ranks = rank_cells(codes, space)
    assert known.tolist() == expected.tolist()
    assert ranks.tolist() == expected_ranks.tolist()


@pytest.mark.parametrize("space", [1000, 1 << 23, 1 << 60, None])
@pytest.mark.parametrize("rows", [0, 1, 100, 20_000])
@pytest.mark.parametrize("kept", [0, 1, 400])
def test_found_positions_equal_a_dictionary(space: int | None, rows: int, kept: int) -> None:
    generator = np.random.default_rng(rows + kept)
    pool = np.unique(generator.integers(0, space or (1 << 63) - 1, size=800))
    known = np.sort(generator.permutation(pool)[:kept])
    codes = generator.choice(pool, size=rows)
    slow = {int(code): position for position, code in enumerate(known)}
    expected = [slow.get(int(code), len(known)) for code in codes]
    assert find_cells(known, codes, space).tolist() == expected


def test_ids_beyond_their_cardinality_are_refused() -> None:
    ids = np.array([[0, 3], [1, 4]], dtype=np.int32)
    check_ids(ids, (2, 5))
    check_ids(ids[:0], (2, 5))
    with pytest.raises(ValueError, match=r"field 1 must lie in 0\.\.3, found 3\.\.4"):
        check_ids(ids, (2, 4))
    with pytest.raises(ValueError, match=r"found -1"):
        check_ids(-ids, (2, 5))
    with pytest.raises(ValueError, match="integers"):
        check_ids(ids.astype(np.float32), (2, 5))
