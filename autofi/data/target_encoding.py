"""Target statistics: how often a cell was seen in training, and how often it was clicked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from autofi.core.memmap import release
from autofi.core.npz_file import load_arrays
from autofi.core.strict_json import read_object
from autofi.data.cross_codes import (
    Codes,
    Ids,
    cell_codes,
    cell_space,
    check_ids,
    codes_rise,
    default_threads,
    find_cells,
    rank_cells,
)
from autofi.data.folds import deal_folds
from autofi.errors import DataError

Column = tuple[int, ...]

_FORMAT = 1


@dataclass(frozen=True, eq=False)
class CellClicks:
    """The cells of one column seen in training: codes rise; counts and clicks are int64 [K]."""

    codes: Codes
    counts: NDArray[np.int64]
    clicks: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class TargetStatistics:
    """Counts and clicks of training rows per cell; a column is a field `(f,)`, a pair `(i, j)` or more."""

    cardinalities: tuple[int, ...]
    columns: tuple[Column, ...]
    prior: float
    """Click rate of all training rows."""
    cells: tuple[CellClicks, ...]

    @classmethod
    def fit(
        cls,
        ids: Ids,
        labels: ArrayLike,
        cardinalities: Sequence[int],
        columns: Sequence[Column],
        *,
        folds: int | NDArray[np.int64] = 10,
        seed: int = 0,
        out: NDArray[np.float32] | None = None,
        threads: int | None = None,
    ) -> tuple[TargetStatistics, NDArray[np.float32]]:
        """Fit on training rows; also return the out-of-fold values of those same rows, float32 [N, C, 2].

        The rows are dealt at random into `folds` folds of equal size, or as an array of a fold per row says; the
        (count, clicks) of a row come from the rows of the other folds, so its own label is never in them. `out`
        may be a memory map.
        Cost: about 0.1 s per million rows and column on one thread.
        """
        cardinalities = tuple(int(cardinality) for cardinality in cardinalities)
        columns = tuple(tuple(int(field) for field in column) for column in columns)
        check_ids(ids, cardinalities)
        _check_columns(columns, len(cardinalities))
        clicked = _clicked(labels, len(ids))
        if isinstance(folds, int):
            if folds < 2:
                raise ValueError(f"folds must be at least 2, not {folds}")
            folds = deal_folds(len(ids), folds, np.random.default_rng(seed))
        by_fold, fold_ends = _by_fold(folds)
        out_of_fold = _output(out, len(ids), len(columns))

        def count(number: int) -> CellClicks:
            codes, space = _codes(ids, cardinalities, columns[number])
            known, ranks = rank_cells(codes, space)
            # Two slots per cell, not clicked and clicked, so that one bincount gives both counts and clicks.
            slots = 2 * ranks + clicked
            per_cell = np.bincount(slots, minlength=2 * len(known)).reshape(-1, 2)
            for rows in np.split(by_fold, fold_ends):
                inside = np.bincount(slots[rows], minlength=2 * len(known)).reshape(-1, 2)
                outside = (per_cell - inside)[ranks[rows]]
                out_of_fold[rows, number, 0] = outside.sum(axis=1)
                out_of_fold[rows, number, 1] = outside[:, 1]
            release(ids, out_of_fold)
            return CellClicks(known, per_cell.sum(axis=1), per_cell[:, 1].copy())

        with ThreadPoolExecutor(threads or default_threads()) as pool:
            cells = tuple(pool.map(count, range(len(columns))))
        return cls(cardinalities, columns, float(clicked.mean()), cells), out_of_fold

    def transform(
        self, ids: Ids, *, out: NDArray[np.float32] | None = None, threads: int | None = None
    ) -> NDArray[np.float32]:
        """(count, clicks) over all training rows, float32 [N, C, 2]; (0, 0) where the cell was never seen.

        For rows that are not training rows: on those it would contain their own labels.
        """
        check_ids(ids, self.cardinalities)
        values = _output(out, len(ids), len(self.columns))

        def look_up(number: int) -> None:
            cells = self.cells[number]
            found = find_cells(cells.codes, *_codes(ids, self.cardinalities, self.columns[number]))
            for slot, known in enumerate((cells.counts, cells.clicks)):
                values[:, number, slot] = np.append(known, 0)[found]
            release(ids, values)

        with ThreadPoolExecutor(threads or default_threads()) as pool:
            # list() raises what a thread raised.
            list(pool.map(look_up, range(len(self.columns))))
        return values

    def subset(self, columns: Sequence[Column]) -> TargetStatistics:
        """The same statistics for some of the columns, in the order given."""
        cells_of = dict(zip(self.columns, self.cells, strict=True))
        chosen = tuple(tuple(int(field) for field in column) for column in columns)
        for column in chosen:
            if column not in cells_of:
                raise ValueError(f"column {column} is not among the {len(self.columns)} fitted statistics")
        return TargetStatistics(
            self.cardinalities, chosen, self.prior, tuple(cells_of[column] for column in chosen)
        )

    def save(self, directory: Path | str) -> None:
        """Write `statistics.json` and `statistics.npz` (plain arrays, no pickle)."""
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        description = {
            "format": _FORMAT,
            "prior": self.prior,
            "cardinalities": self.cardinalities,
            "columns": self.columns,
            "sizes": [len(cells.codes) for cells in self.cells],
        }
        (directory / "statistics.json").write_text(json.dumps(description))
        empty = np.empty(0, dtype=np.int64)
        np.savez(
            directory / "statistics.npz",
            codes=np.concatenate([empty, *(cells.codes for cells in self.cells)]),
            counts=np.concatenate([empty, *(cells.counts for cells in self.cells)]),
            clicks=np.concatenate([empty, *(cells.clicks for cells in self.cells)]),
        )

    @classmethod
    def load(cls, directory: Path | str) -> TargetStatistics:
        """Read what `save` wrote; raises DataError when the files are missing or do not belong together."""
        directory = Path(directory)
        try:
            description = read_object(directory / "statistics.json")
            columns = tuple(tuple(int(field) for field in column) for column in description["columns"])
            ends = np.cumsum(np.array(description["sizes"], dtype=np.int64))
            kinds = dict.fromkeys(("codes", "counts", "clicks"), np.int64)
            codes, counts, clicks = load_arrays(directory / "statistics.npz", kinds).values()
            if description["format"] != _FORMAT:
                raise ValueError(f"format {description['format']} is not {_FORMAT}")
            if (
                len(ends) != len(columns)
                or min(description["sizes"], default=0) < 0
                or not len(codes) == len(counts) == len(clicks) == sum(description["sizes"])
            ):
                raise ValueError("statistics.json and statistics.npz do not belong together")
            cells = tuple(
                CellClicks(*parts)
                for parts in zip(
                    *(np.split(array, ends[:-1]) for array in (codes, counts, clicks)), strict=True
                )
            )
            cardinalities = tuple(int(cardinality) for cardinality in description["cardinalities"])
            prior = float(description["prior"])
            if not 0 < prior < 1:
                raise ValueError(f"the click rate lies between 0 and 1: statistics.json has {prior}")
            _check_columns(columns, len(cardinalities))
            for column, kept in zip(columns, cells if columns else (), strict=True):
                _check_cells(column, kept, cell_space([cardinalities[field] for field in column]))
            return cls(cardinalities, columns, prior, cells if columns else ())
        except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
            raise DataError(
                f"saved statistics cannot be read: {error} ({directory}); save them again"
            ) from error


def _check_cells(column: Column, cells: CellClicks, space: int | None) -> None:
    """Raise ValueError for counts that no rows can have, and for codes that a lookup would find by chance."""
    if not ((cells.clicks >= 0) & (cells.clicks <= cells.counts)).all():
        raise ValueError(
            f"clicks of column {column} lie between 0 and their counts: statistics.npz has others"
        )
    if not codes_rise(cells.codes, space):
        raise ValueError(
            f"the codes of column {column} rise and are those of its fields: statistics.npz has others"
        )


def _codes(ids: Ids, cardinalities: Sequence[int], column: Column) -> tuple[Codes, int | None]:
    cards = [cardinalities[field] for field in column]
    return cell_codes([ids[:, field] for field in column], cards), cell_space(cards)


def _by_fold(fold_of_row: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """An order of the rows and where it is cut into folds; rows of a fold rise, which caches like."""
    ends = np.cumsum(np.bincount(fold_of_row))[:-1]
    return np.argsort(fold_of_row, kind="stable"), ends


def _clicked(labels: ArrayLike, rows: int) -> NDArray[np.int64]:
    values = np.asarray(labels)
    if values.shape != (rows,) or rows == 0:
        raise ValueError(f"labels must be a non-empty vector of {rows} rows, not of shape {values.shape}")
    clicked = values.astype(np.int64)
    if not ((clicked == values) & ((clicked == 0) | (clicked == 1))).all():
        raise ValueError("labels must be 0 or 1")
    return clicked


def _output(out: NDArray[np.float32] | None, rows: int, columns: int) -> NDArray[np.float32]:
    shape = (rows, columns, 2)
    if out is None:
        return np.empty(shape, dtype=np.float32)
    if out.shape != shape or out.dtype != np.float32:
        raise ValueError(f"out must be float32 {shape}, not {out.dtype} {out.shape}")
    return out


def _check_columns(columns: Sequence[Column], fields: int) -> None:
    for column in columns:
        if not column or len(set(column)) != len(column) or not all(0 <= field < fields for field in column):
            raise ValueError(f"a column needs different fields among 0..{fields - 1}, found {column}")
    if len(set(columns)) != len(columns):
        raise ValueError("a column is listed twice")
