"""Folds of training rows for values computed out of fold, which keep apart whatever the split keeps apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from autofi.data.cross_codes import Codes, Ids, cell_codes, cell_space, count_cells, find_cells
from autofi.data.features import Column

#: Sampled rows by which a split is judged, enough for any column worth keeping apart.
TRAINING_SAMPLE = 200_000
HELD_OUT_SAMPLE = 20_000
FIRST_ROWS = 500
#: Expected number of held-out rows that a random split shares with training, below which sharing none is no evidence.
#: At this number it happens by chance with probability exp(-30).
EXPECTED_ROWS = 30.0
#: Fewest cells; with fewer, folds of whole cells would be too uneven.
FEWEST_CELLS = 20


def kept_apart(
    ids: Ids,
    cardinalities: Sequence[int],
    parts: Mapping[str, slice],
    groups: NDArray[np.int64] | None = None,
    *,
    seed: int = 0,
) -> Column | None:
    """Return the field, pair of fields or group that a split keeps apart: no validation row has a cell of training.

    Only columns whose cells a random split would share count. A field is preferred to a pair, and the column with the
    fewest cells to one that refines it. Labels are not read. It costs a count of a sample of rows per field and pair.

    Returns:
        The column; `()` for the group column; None if the split keeps nothing apart, as a random one.
    """
    generator = np.random.default_rng(seed)
    train, valid = parts["train"], parts["valid"]
    sample = _sample(train, TRAINING_SAMPLE, generator)
    judged = _sample(valid, min(HELD_OUT_SAMPLE, len(sample) // 2), generator)
    # As many training rows as validation rows, held out at random, show the cells that a random split would share.
    cut = min(len(judged), len(sample) // 2)
    alike, rest = np.split(generator.permutation(sample), [cut])
    if not len(judged) or not len(rest):
        return None
    if groups is not None and _apart(groups[rest], groups[alike], groups[judged], None):
        return ()
    # Column-major, as every pair reads two columns.
    first = [np.asfortranarray(ids[rows[:FIRST_ROWS]]) for rows in (rest, judged)]
    sampled: list[Ids] = []
    for order in (1, 2):
        found: dict[Column, int] = {}
        for column in combinations(range(len(cardinalities)), order):
            cards = [cardinalities[field] for field in column]
            # One shared cell decides, and nearly always it is among the first rows.
            few, asked = (_known_cells([rows[:, f] for f in column], cards) for rows in first)
            if (find_cells(np.sort(few), asked, None) < len(few)).any():
                continue
            sampled = sampled or [np.asfortranarray(ids[rows]) for rows in (rest, alike, judged)]
            known, others, unseen = (_known_cells([rows[:, f] for f in column], cards) for rows in sampled)
            if _apart(known, others, unseen, cell_space(cards)):
                found[column] = len(count_cells(known, cell_space(cards))[0])
        if found:
            return min(found, key=lambda column: (found[column], column))
    return None


def cells_together(
    ids: Ids, cardinalities: Sequence[int], column: Column, groups: NDArray[np.int64] | None
) -> NDArray[np.int64]:
    """Return a number per row, `[N]`, equal for rows that share a fold: the cell of `column`, or the group for `()`."""
    if not column:
        assert groups is not None
        keys = np.asarray(groups)
    else:
        keys = cell_codes([ids[:, field] for field in column], [cardinalities[field] for field in column])
    return np.asarray(np.unique(keys, return_inverse=True)[1], dtype=np.int64)


def deal_folds(
    rows: int, folds: int, generator: np.random.Generator, together: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """Return a random fold in `0..folds - 1` per row, of equal sizes; rows of one number in `together` share it."""
    if together is None:
        return generator.permutation(np.arange(rows) % folds)
    cells = int(together.max()) + 1 if rows else 0
    return np.asarray(generator.permutation(np.arange(cells) % folds)[together], dtype=np.int64)


def _sample(part: slice, most: int, generator: np.random.Generator) -> NDArray[np.int64]:
    rows = np.arange(part.start, part.stop)
    return rows if len(rows) <= most else np.sort(generator.choice(rows, most, replace=False))


def _known_cells(columns: Sequence[Ids], cardinalities: Sequence[int]) -> Codes:
    """Return the cells of the rows that have a value in every column, as missing values do not count."""
    present = np.logical_and.reduce([column > 0 for column in columns])
    return cell_codes([column[present] for column in columns], cardinalities)


def _apart(rest: Codes, alike: Codes, judged: Codes, space: int | None) -> bool:
    known, _ = count_cells(rest, space)
    if len(known) < FEWEST_CELLS or not len(alike) or not len(judged):
        return False
    if (find_cells(known, judged, space) < len(known)).any():
        return False
    shared = (find_cells(known, alike, space) < len(known)).mean()
    return bool(shared * len(judged) >= EXPECTED_ROWS)
