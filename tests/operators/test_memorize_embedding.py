"""Memorizing looks up the row of the cell; rarer cells than the minimum count share one."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from tests.operators.examples import build, fitted_crosses, random_features, shapes_for

FEATURES = random_features(200)


@pytest.mark.parametrize("min_count", [1, 2, 4, 1000])
def test_it_is_the_row_of_the_cell_or_the_shared_one(min_count: int) -> None:
    shapes = shapes_for(FEATURES, cross_min_count=min_count)
    slots = [(1, 3), (0, 4), (0, 1)]
    operator = build("memorize_embedding", slots, shapes)
    blocks = [
        table.detach().numpy() for table in operator.tables()[0].split([shapes.cross_rows[s] for s in slots])
    ]
    out = operator(operator.select(FEATURES)).detach().numpy().reshape(len(FEATURES), len(slots), -1)
    for position, (left, right) in enumerate(slots):
        cells = [(int(ids[left]), int(ids[right])) for ids in FEATURES.ids]
        counts = Counter(cells)
        kept = {cell for cell, count in counts.items() if count >= min_count}
        assert len(blocks[position]) == len(kept) + 1
        rows = {}
        for cell, vector in zip(cells, out[:, position], strict=True):
            if cell not in kept:
                np.testing.assert_array_equal(vector, blocks[position][0])
            # The same cell always gives the same vector, and no two cells share one.
            np.testing.assert_array_equal(rows.setdefault(cell, vector), vector)
        distinct = {tuple(rows[cell]) for cell in kept}
        assert len(distinct) == len(kept)
        assert distinct == {tuple(vector) for vector in blocks[position][1:]}


def test_cells_that_training_never_saw_share_the_same_row() -> None:
    shapes = shapes_for(FEATURES)
    operator = build("memorize_embedding", [(0, 3)], shapes)
    others = random_features(300, seed=9, fitted_on=FEATURES.ids)
    seen = {(ids[0], ids[3]) for ids in FEATURES.ids}
    unseen = np.array([(ids[0], ids[3]) not in seen for ids in others.ids])
    out = operator(operator.select(others)).detach().numpy()
    assert unseen.any() and not unseen.all()
    assert (out[unseen] == operator.tables()[0][0].detach().numpy()).all()
    assert (out[~unseen] != operator.tables()[0][0].detach().numpy()).any(axis=1).all()


def test_a_higher_minimum_count_keeps_a_prefix() -> None:
    crosses = fitted_crosses(FEATURES.ids)
    every, frequent = crosses.sizes, crosses.sizes_at(3)
    assert all(1 <= few < many for few, many in zip(frequent, every, strict=True))
    for cells, rows in zip(crosses.cells, frequent, strict=True):
        assert (cells.counts[1:rows] >= 3).all() and (cells.counts[rows:] < 3).all()
