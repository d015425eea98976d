from __future__ import annotations

from collections import Counter
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from autofi.data import crosses as crosses_module
from autofi.data.crosses import Crosses
from autofi.errors import DataError

CARDINALITIES = (5, 9, 40, 300)
PAIRS = tuple(combinations(range(4), 2))


def draw_ids(rows: int, seed: int = 0, cardinalities: tuple[int, ...] = CARDINALITIES) -> np.ndarray:
    """Skewed codes, so that some cells are frequent and many are seen once."""
    uniform = np.random.default_rng(seed).random((rows, len(cardinalities)))
    return (uniform**2 * np.array(cardinalities)).astype(np.int32)


def slow_local_rows(
    train: np.ndarray, ids: np.ndarray, pair: tuple[int, int], *, min_count: int
) -> list[int]:
    left, right = pair
    counts = Counter((int(row[left]), int(row[right])) for row in train)
    kept = sorted(
        (cell for cell, n in counts.items() if n >= min_count), key=lambda cell: (-counts[cell], cell)
    )
    local = {cell: place for place, cell in enumerate(kept, start=1)}
    return [local.get((int(row[left]), int(row[right])), 0) for row in ids]


@pytest.mark.parametrize("min_count", [1, 2, 5])
def test_local_rows_equal_a_dictionary(min_count: int) -> None:
    train, others = draw_ids(600), draw_ids(200, seed=1)
    crosses = Crosses.fit(train, CARDINALITIES, PAIRS, min_count=min_count)
    for ids in (train, others):
        rows = crosses.transform(ids)
        assert rows.dtype == np.int32
        assert rows.shape == (len(ids), len(PAIRS))
        for place, pair in enumerate(PAIRS):
            assert rows[:, place].tolist() == slow_local_rows(train, ids, pair, min_count=min_count)


@pytest.mark.parametrize("min_count", [1, 2, 3, 300])
@pytest.mark.parametrize("cardinalities", [CARDINALITIES, (70_000, 9, 60_000, 2_000)])
def test_compiled_loops_count_the_same_cells(
    monkeypatch: pytest.MonkeyPatch, cardinalities: tuple[int, ...], min_count: int
) -> None:
    skewed = draw_ids(3000, cardinalities=(40, 3, 30, 20))
    train = np.concatenate([skewed, draw_ids(1000, cardinalities=cardinalities)]) % cardinalities
    slow = Crosses.fit(train, cardinalities, PAIRS, min_count=min_count)
    monkeypatch.setattr(crosses_module, "_WORTH_COMPILING", 0)
    for _ in range(2):  # the room that pairs work in is used again
        quick = Crosses.fit(train, cardinalities, PAIRS, min_count=min_count)
        for one, other in zip(slow.cells, quick.cells, strict=True):
            assert one.codes.tolist() == other.codes.tolist()
            assert one.local_rows.tolist() == other.local_rows.tolist()
            assert one.counts.tolist() == other.counts.tolist()


def test_counts_are_those_of_the_training_rows_and_fall() -> None:
    train = draw_ids(500)
    crosses = Crosses.fit(train, CARDINALITIES, PAIRS)
    rows = crosses.transform(train)
    for place, pair in enumerate(PAIRS):
        counts = crosses.counts(pair)
        assert len(counts) == crosses.sizes[place]
        assert counts.tolist() == np.bincount(rows[:, place], minlength=len(counts)).tolist()
        assert (np.diff(counts[1:]) <= 0).all()
        assert (counts[1:] >= 2).all()


def test_a_cell_seen_once_has_no_row_unless_the_minimum_count_is_one() -> None:
    ids = np.array([[2, 2], [2, 2], [2, 3]], dtype=np.int32)
    assert Crosses.fit(ids, (4, 4), [(0, 1)]).transform(ids).ravel().tolist() == [1, 1, 0]
    assert Crosses.fit(ids, (4, 4), [(0, 1)], min_count=1).transform(ids).ravel().tolist() == [1, 1, 2]


def test_a_higher_minimum_count_keeps_a_prefix_of_the_rows() -> None:
    train = draw_ids(800)
    low, high = (Crosses.fit(train, CARDINALITIES, PAIRS, min_count=n) for n in (2, 6))
    assert low.sizes_at(6) == high.sizes
    sizes = np.array(low.sizes_at(6))
    rows = low.transform(train)
    assert (np.where(rows < sizes, rows, 0) == high.transform(train)).all()
    for pair, size in zip(PAIRS, sizes, strict=True):
        assert low.counts(pair)[1:size].tolist() == high.counts(pair)[1:].tolist()


@settings(max_examples=30)
@given(max_rows=st.integers(len(PAIRS), 400), seed=st.integers(0, 3))
def test_the_cap_keeps_the_most_frequent_cells_of_all_pairs(max_rows: int, seed: int) -> None:
    train = draw_ids(300, seed)
    every = Crosses.fit(train, CARDINALITIES, PAIRS)
    capped = Crosses.fit(train, CARDINALITIES, PAIRS, max_rows=max_rows)
    assert sum(capped.sizes) == min(max_rows, sum(every.sizes))

    def cell_counts(crosses: Crosses) -> list[int]:
        return sorted((int(n) for pair in PAIRS for n in crosses.counts(pair)[1:]), reverse=True)

    assert cell_counts(capped) == cell_counts(every)[: max_rows - len(PAIRS)]
    rows = capped.transform(train)
    for place, pair in enumerate(PAIRS):
        counts = np.bincount(rows[:, place], minlength=capped.sizes[place])
        assert counts.tolist() == capped.counts(pair).tolist()


def test_the_cap_favours_no_pair_by_its_place() -> None:
    column = np.repeat(np.arange(2, 502, dtype=np.int32), 2)
    ids = np.stack([column, np.full_like(column, 2), column], axis=1)
    crosses = Crosses.fit(ids, (502, 3, 502), [(0, 1), (1, 2)], max_rows=502)
    assert sum(crosses.sizes) == 502
    assert abs(crosses.sizes[0] - crosses.sizes[1]) < 100


def test_missing_and_out_of_vocabulary_are_cells_of_their_own() -> None:
    ids = np.repeat(np.array([[0, 0], [0, 1], [1, 0], [2, 2], [0, 2]], dtype=np.int32), 2, axis=0)
    crosses = Crosses.fit(ids, (3, 3), [(0, 1)])
    assert sorted(crosses.transform(ids).ravel().tolist()) == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]


def test_pairs_beyond_63_bits_are_hashed() -> None:
    huge = (1 << 32, 1 << 32)
    ids = np.array([[2, 3], [2, 3], [(1 << 32) - 1, (1 << 32) - 1], [3, 2], [3, 2], [3, 2]], dtype=np.int64)
    crosses = Crosses.fit(ids, huge, [(0, 1)])
    assert crosses.transform(ids).ravel().tolist() == [2, 2, 0, 1, 1, 1]


def test_many_rows_take_the_sorted_path_and_agree_with_few() -> None:
    cardinalities = (3000, 4000)
    train = draw_ids(30_000, cardinalities=cardinalities)
    crosses = Crosses.fit(train, cardinalities, [(0, 1)], min_count=1)
    rows = crosses.transform(train)
    assert (rows[:1000] == crosses.transform(train[:1000])).all()
    assert rows.min() == 1
    assert len(np.unique(rows)) == len(np.unique(train, axis=0))


def test_threads_and_an_output_array_change_nothing(tmp_path: Path) -> None:
    train = draw_ids(400)
    crosses = Crosses.fit(train, CARDINALITIES, PAIRS, threads=1)
    out = np.lib.format.open_memmap(tmp_path / "rows.npy", mode="w+", dtype=np.int32, shape=(400, len(PAIRS)))
    assert crosses.transform(train, out=out, threads=3) is out
    assert (out == Crosses.fit(train, CARDINALITIES, PAIRS, threads=3).transform(train, threads=1)).all()
    with pytest.raises(ValueError, match="out must be int32"):
        crosses.transform(train, out=np.empty((400, 1), dtype=np.int32))


def test_a_subset_keeps_its_rows_in_the_order_asked_for() -> None:
    train = draw_ids(400)
    crosses = Crosses.fit(train, CARDINALITIES, PAIRS)
    chosen = crosses.subset([(2, 3), (0, 1)])
    assert chosen.pairs == ((2, 3), (0, 1))
    assert (chosen.transform(train) == crosses.transform(train)[:, [PAIRS.index((2, 3)), 0]]).all()
    assert crosses.subset([]).transform(train).shape == (400, 0)
    with pytest.raises(ValueError, match=r"pair \(3, 2\) is not among the 6"):
        crosses.subset([(3, 2)])


@pytest.mark.parametrize("pairs", [PAIRS, ()])
def test_saved_crosses_come_back_equal(tmp_path: Path, pairs: tuple[tuple[int, int], ...]) -> None:
    train = draw_ids(400)
    crosses = Crosses.fit(train, CARDINALITIES, pairs, min_count=3)
    crosses.save(tmp_path)
    loaded = Crosses.load(tmp_path)
    assert (loaded.pairs, loaded.sizes, loaded.min_count) == (crosses.pairs, crosses.sizes, 3)
    assert (loaded.transform(train) == crosses.transform(train)).all()
    assert all((loaded.counts(pair) == crosses.counts(pair)).all() for pair in pairs)


def test_broken_files_are_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        Crosses.load(tmp_path)
    Crosses.fit(draw_ids(100), CARDINALITIES, PAIRS).save(tmp_path)
    Crosses.fit(draw_ids(300), CARDINALITIES, PAIRS).save(tmp_path / "other")
    (tmp_path / "crosses.npz").write_bytes((tmp_path / "other" / "crosses.npz").read_bytes())
    with pytest.raises(DataError, match="do not belong together"):
        Crosses.load(tmp_path)


@pytest.mark.parametrize("pairs", [[(0, 0)], [(0, 4)], [(-1, 2)], [(0, 1), (0, 1)]])
def test_impossible_pairs_are_refused(pairs: list[tuple[int, int]]) -> None:
    with pytest.raises(ValueError, match="pair"):
        Crosses.fit(draw_ids(10), CARDINALITIES, pairs)


def test_impossible_limits_are_refused() -> None:
    with pytest.raises(ValueError, match="min_count"):
        Crosses.fit(draw_ids(10), CARDINALITIES, PAIRS, min_count=0)
    with pytest.raises(ValueError, match="max_rows=5 is less than the 6 pairs"):
        Crosses.fit(draw_ids(10), CARDINALITIES, PAIRS, max_rows=5)


@pytest.mark.parametrize("max_rows", [3, 10, 40, 100, 10_000])
def test_a_cap_on_rows_is_the_smallest_minimum_count_that_fits(max_rows: int) -> None:
    generator = np.random.default_rng(0)
    ids = (generator.zipf(1.5, (3000, 3)) % 12).astype(np.int32)
    crosses = Crosses.fit(ids, (12, 12, 12), [(0, 1), (0, 2), (1, 2)])
    chosen = crosses.min_count_within(max_rows)
    assert sum(crosses.sizes_at(chosen)) <= max_rows
    assert chosen == 2 or sum(crosses.sizes_at(chosen - 1)) > max_rows


def test_without_a_cap_or_below_a_row_per_pair_the_unknown_stay() -> None:
    ids = np.zeros((10, 2), dtype=np.int32)
    crosses = Crosses.fit(ids, (3, 3), [(0, 1)])
    assert crosses.min_count_within(None) == 2
    assert crosses.sizes_at(crosses.min_count_within(1)) == (1,)
    assert Crosses.fit(ids, (3, 3), []).min_count_within(5) == 2
