from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from autofi.data.target_encoding import TargetStatistics
from autofi.errors import DataError

CARDINALITIES = (4, 7, 2500, 1900)
COLUMNS = ((0,), (2,), (0, 1), (2, 3), (0, 1, 2))


def draw(rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    ids = (generator.random((rows, 4)) ** 3 * np.array(CARDINALITIES)).astype(np.int32)
    return ids, (generator.random(rows) < 0.3).astype(np.float32)


def slow_statistics(ids: np.ndarray, labels: np.ndarray, used: list[int], rows: np.ndarray) -> np.ndarray:
    """(count, clicks) of the training rows `used`, looked up for `rows`."""
    values = np.zeros((len(rows), len(COLUMNS), 2), dtype=np.float32)
    for number, column in enumerate(COLUMNS):
        seen: dict[tuple[int, ...], list[float]] = {}
        for row in used:
            entry = seen.setdefault(tuple(ids[row, list(column)].tolist()), [0, 0])
            entry[0] += 1
            entry[1] += float(labels[row])
        for place, row in enumerate(rows):
            values[place, number] = seen.get(tuple(row[list(column)].tolist()), [0, 0])
    return values


def test_other_rows_see_the_counts_of_all_training_rows() -> None:
    ids, labels = draw(300)
    others, _ = draw(150, seed=1)
    statistics, _ = TargetStatistics.fit(ids, labels, CARDINALITIES, COLUMNS)
    values = statistics.transform(others)
    assert values.dtype == np.float32
    assert (values == slow_statistics(ids, labels, list(range(300)), others)).all()
    assert statistics.prior == pytest.approx(labels.mean(dtype=np.float64))


@pytest.mark.parametrize("folds", [2, 10])
def test_each_training_row_sees_the_other_folds_only(folds: int) -> None:
    rows = 200
    ids, labels = draw(rows)
    _, out_of_fold = TargetStatistics.fit(ids, labels, CARDINALITIES, COLUMNS, folds=folds, seed=3)
    # On a column where all rows agree, a single click is seen by all rows but those of its own fold.
    same = np.full((rows, 1), 2, dtype=np.int32)
    fold_of_row = np.full(rows, -1)
    for row in range(rows):
        if fold_of_row[row] < 0:
            only = np.zeros(rows)
            only[row] = 1
            _, seen = TargetStatistics.fit(same, only, (3,), [(0,)], folds=folds, seed=3)
            fold_of_row[seen[:, 0, 1] == 0] = fold_of_row.max() + 1
    assert np.bincount(fold_of_row).tolist() == [rows // folds] * folds
    for row in range(0, rows, 7):
        used = np.flatnonzero(fold_of_row != fold_of_row[row]).tolist()
        assert (out_of_fold[row] == slow_statistics(ids, labels, used, ids[row : row + 1])[0]).all()


@settings(max_examples=25)
@given(rows=st.integers(1, 60), folds=st.integers(2, 70), seed=st.integers(0, 5), data=st.data())
def test_flipping_the_own_label_never_changes_the_own_statistics(
    rows: int, folds: int, seed: int, data: st.DataObject
) -> None:
    ids, labels = draw(rows, seed)
    row = data.draw(st.integers(0, rows - 1))
    flipped = labels.copy()
    flipped[row] = 1 - flipped[row]
    _, before = TargetStatistics.fit(ids, labels, CARDINALITIES, COLUMNS, folds=folds, seed=seed)
    _, after = TargetStatistics.fit(ids, flipped, CARDINALITIES, COLUMNS, folds=folds, seed=seed)
    assert (before[row] == after[row]).all()


def test_the_seed_decides_the_folds() -> None:
    ids, labels = draw(200)
    runs = [TargetStatistics.fit(ids, labels, CARDINALITIES, COLUMNS, seed=seed)[1] for seed in (1, 1, 2)]
    assert (runs[0] == runs[1]).all()
    assert (runs[0] != runs[2]).any()


def test_threads_and_an_output_array_change_nothing() -> None:
    ids, labels = draw(200)
    out = np.empty((200, len(COLUMNS), 2), dtype=np.float32)
    statistics, one = TargetStatistics.fit(ids, labels, CARDINALITIES, COLUMNS, threads=1)
    _, many = TargetStatistics.fit(ids, labels, CARDINALITIES, COLUMNS, threads=3, out=out)
    assert many is out
    assert (one == many).all()
    assert (statistics.transform(ids, out=out, threads=3) == statistics.transform(ids, threads=1)).all()
    with pytest.raises(ValueError, match="out must be float32"):
        statistics.transform(ids, out=out[:5])


def test_a_subset_has_the_columns_asked_for() -> None:
    ids, labels = draw(200)
    statistics, _ = TargetStatistics.fit(ids, labels, CARDINALITIES, COLUMNS)
    some = statistics.subset([(2, 3), (0,)])
    assert (some.transform(ids) == statistics.transform(ids)[:, [3, 0]]).all()
    with pytest.raises(ValueError, match=r"column \(1,\) is not among the 5"):
        statistics.subset([(1,)])


@pytest.mark.parametrize("columns", [COLUMNS, ()])
def test_saved_statistics_come_back_equal(tmp_path: Path, columns: tuple[tuple[int, ...], ...]) -> None:
    ids, labels = draw(200)
    statistics, _ = TargetStatistics.fit(ids, labels, CARDINALITIES, columns)
    statistics.save(tmp_path)
    loaded = TargetStatistics.load(tmp_path)
    assert loaded.prior == statistics.prior
    assert loaded.columns == statistics.columns
    assert (loaded.transform(ids) == statistics.transform(ids)).all()


def test_broken_files_are_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        TargetStatistics.load(tmp_path)


def test_wrong_arguments_are_refused() -> None:
    ids, labels = draw(20)
    with pytest.raises(ValueError, match="labels must be 0 or 1"):
        TargetStatistics.fit(ids, labels * 2 - 1, CARDINALITIES, COLUMNS)
    with pytest.raises(ValueError, match="folds"):
        TargetStatistics.fit(ids, labels, CARDINALITIES, COLUMNS, folds=1)
    with pytest.raises(ValueError, match="labels must be a non-empty vector"):
        TargetStatistics.fit(ids, labels[:5], CARDINALITIES, COLUMNS)
    for columns in ([(0, 0)], [()], [(9,)], [(0,), (0,)]):
        with pytest.raises(ValueError, match="column"):
            TargetStatistics.fit(ids, labels, CARDINALITIES, columns)
