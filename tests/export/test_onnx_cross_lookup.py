"""Cells in a graph are looked up exactly, however many values their fields have."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from autofi.data.crosses import Crosses
from autofi.data.target_encoding import TargetStatistics
from autofi.errors import ExportError
from autofi.export.onnx_cross_lookup import cell_rows, counts_and_clicks, cross_rows
from tests.export.run_graph import run

GENERATOR = np.random.default_rng(1)


def drawn(cardinalities: tuple[int, ...], rows: int) -> np.ndarray:
    few = [GENERATOR.integers(0, cardinality, 12) for cardinality in cardinalities]
    return np.column_stack([GENERATOR.choice(values, rows) for values in few]).astype(np.int32)


# Together more than 63 bits in the second: two tables.
@pytest.mark.parametrize("cardinalities", [(7, 5, 6), (2**31 - 1, 2**31 - 1, 2**31 - 1)])
def test_every_cell_has_its_row_and_another_the_row_of_the_unknown(cardinalities: tuple[int, ...]) -> None:
    train, rows = drawn(cardinalities, 300), drawn(cardinalities, 500)
    rows[:250] = train[GENERATOR.integers(0, 300, 250)]
    crosses = Crosses.fit(train, cardinalities, list(combinations(range(3), 2)), min_count=2)
    expected = crosses.transform(rows)
    assert (expected > 0).any() and (expected == 0).any()
    found = run(lambda ids: cross_rows(ids, crosses), rows.astype(np.int64))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("cardinalities", [(7, 5, 6), (2**31 - 1, 2**31 - 1, 2**31 - 1)])
def test_every_cell_has_its_count_and_clicks_and_another_none(cardinalities: tuple[int, ...]) -> None:
    train, rows = drawn(cardinalities, 300), drawn(cardinalities, 500)
    rows[:250] = train[GENERATOR.integers(0, 300, 250)]
    columns = [(0,), (1,), (2,), *combinations(range(3), 2)]
    labels = GENERATOR.integers(0, 2, 300)
    statistics, _ = TargetStatistics.fit(train, labels, cardinalities, columns)
    found = run(lambda ids: counts_and_clicks(cell_rows(ids, statistics), statistics), rows.astype(np.int64))
    np.testing.assert_array_equal(found, statistics.transform(rows))
    single, _ = TargetStatistics.fit(train, labels, cardinalities, columns[:2])
    found = run(lambda ids: counts_and_clicks(cell_rows(ids, single), single), rows.astype(np.int64))
    np.testing.assert_array_equal(found, single.transform(rows))


def test_cells_of_one_to_three_fields_are_looked_up_together() -> None:
    cardinalities, columns = (7, 5, 6), [(0, 1, 2), (1,), (0, 2)]
    train, other = drawn(cardinalities, 50), drawn(cardinalities, 80)
    statistics, _ = TargetStatistics.fit(train, GENERATOR.integers(0, 2, 50), cardinalities, columns)
    found = run(lambda ids: counts_and_clicks(cell_rows(ids, statistics), statistics), other.astype(np.int64))
    np.testing.assert_array_equal(found, statistics.transform(other))


def test_more_cells_than_can_be_numbered_are_refused_with_a_way_out() -> None:
    cardinalities = (2**22, 2**22, 2**22)
    train = drawn((7, 5, 6), 50)
    statistics, _ = TargetStatistics.fit(train, GENERATOR.integers(0, 2, 50), cardinalities, [(0, 1, 2)])
    with pytest.raises(ExportError, match=r"more cells than 63 bits can number.* --format torch"):
        run(lambda ids: counts_and_clicks(cell_rows(ids, statistics), statistics), train.astype(np.int64))
