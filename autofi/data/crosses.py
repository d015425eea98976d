"""The vocabulary of crosses: the cells of a pair that get their own row in a table, and look-ups of these rows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

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
    count_cells,
    default_threads,
    find_cells,
    splitmix64,
)
from autofi.errors import DataError

Pair = tuple[int, int]

_FORMAT = 1
_ROWS_AT_ONCE = 1 << 19
_PAIRS_AT_ONCE = 16
#: Rows times pairs that take as long to count as Numba takes to import.
_WORTH_COMPILING = 1 << 25


@dataclass(frozen=True, eq=False)
class PairCells:
    """The kept cells of one pair; counts fall with the local row, codes rise among equal counts.

    Attributes:
        codes: Rising codes of the cells, int64 `[K]`.
        local_rows: Local row of each code, and 0 at the end for unknown codes, int32 `[K + 1]`.
        counts: Training rows per local row, int64 `[K + 1]`; the first counts rows whose cell was not kept.
    """

    codes: Codes
    local_rows: NDArray[np.int32]
    counts: NDArray[np.int64]

    def kept(self, keep: NDArray[np.bool_]) -> PairCells:
        """Return the cells without the local rows k where keep[k] is False; keep[0] must be True."""
        new_rows = (np.cumsum(keep) - 1).astype(np.int32)
        stays = keep[self.local_rows]
        stays[-1] = True
        counts = self.counts[keep]
        counts[0] += self.counts[~keep].sum()
        return PairCells(self.codes[stays[:-1]], new_rows[self.local_rows[stays]], counts)


@dataclass(frozen=True, eq=False)
class Crosses:
    """Fitted crosses: row 0 of a pair is its out-of-vocabulary row, the others are its cells by falling count.

    So the rows that a higher minimum count would keep are a prefix: see `sizes_at`.
    """

    cardinalities: tuple[int, ...]
    pairs: tuple[Pair, ...]
    min_count: int
    cells: tuple[PairCells, ...]

    @classmethod
    def fit(
        cls,
        ids: Ids,
        cardinalities: Sequence[int],
        pairs: Sequence[Pair],
        *,
        min_count: int = 2,
        max_rows: int | None = None,
        threads: int | None = None,
    ) -> Crosses:
        """Count the cells of pairs of fields over training rows.

        The cost is about 5 ms per million rows and pair on one thread (three times that for few rows and pairs, for
        which loops are not compiled), and a few int64 per row and thread.

        Args:
            ids: Codes of training rows, int `[N, F]`.
            cardinalities: Number of codes of each field.
            pairs: Pairs of columns of `ids`.
            min_count: A cell is kept if it was seen at least this often.
            max_rows: Most rows of all pairs together, including their out-of-vocabulary rows. The most frequent cells
                of all pairs are kept; a fixed hash, not the order of pairs, decides among equally frequent cells.
            threads: Threads; by default those of `default_threads`.
        """
        cardinalities = tuple(int(cardinality) for cardinality in cardinalities)
        pairs = tuple((int(left), int(right)) for left, right in pairs)
        _check_pairs(pairs, len(cardinalities))
        check_ids(ids, cardinalities)
        if min_count < 1:
            raise ValueError(f"min_count must be at least 1, not {min_count}")
        if max_rows is not None and max_rows < len(pairs):
            raise ValueError(
                f"max_rows={max_rows} is less than the {len(pairs)} pairs, and each has a row of its own"
            )
        columns = _columns(ids, pairs)
        # The compiled loops do not support hashed codes.
        direct = all(cell_space((cardinalities[a], cardinalities[b])) is not None for a, b in pairs)
        frequent = _frequent_cells
        if len(ids) * len(pairs) > _WORTH_COMPILING and direct:
            from autofi.data.cross_codes_numba import frequent_cells as frequent

        def count(pair: Pair) -> PairCells:
            left, right = pair
            cards = (cardinalities[left], cardinalities[right])
            codes, counts = frequent(columns[left], columns[right], cards, min_count)
            release(ids)
            order = np.argsort(-counts, kind="stable")
            local_rows = np.zeros(len(codes) + 1, dtype=np.int32)
            local_rows[order] = np.arange(1, len(codes) + 1, dtype=np.int32)
            return PairCells(codes, local_rows, np.concatenate(([len(ids) - counts.sum()], counts[order])))

        kept: list[PairCells] = []
        budget = None if max_rows is None else max_rows - len(pairs)
        total = 0
        with ThreadPoolExecutor(threads or default_threads()) as pool:
            for cells in pool.map(count, pairs):
                kept.append(cells)
                total += len(cells.codes)
                if budget is not None and total > 2 * budget + 1_000_000:
                    kept = _most_frequent(kept, budget)
                    total = budget
        if budget is not None and total > budget:
            kept = _most_frequent(kept, budget)
        return cls(cardinalities, pairs, min_count, tuple(kept))

    @property
    def sizes(self) -> tuple[int, ...]:
        """Rows per pair, including the out-of-vocabulary row."""
        return tuple(len(cells.codes) + 1 for cells in self.cells)

    def sizes_at(self, min_count: int) -> tuple[int, ...]:
        """Return the rows per pair that remain at a higher minimum count; local rows from there on become row 0."""
        return tuple(
            int(np.searchsorted(-cells.counts[1:], -min_count, side="right")) + 1 for cells in self.cells
        )

    def min_count_within(self, max_rows: int | None) -> int:
        """Return the smallest minimum count, from the fitted one on, at which all pairs have at most `max_rows` rows.

        Every pair keeps its out-of-vocabulary row, whatever the cap. None means no cap.
        """
        if max_rows is None or not self.cells:
            return self.min_count
        counts = np.sort(np.concatenate([cells.counts[1:] for cells in self.cells]))
        surplus = min(len(counts) + len(self.pairs) - max_rows, len(counts))
        # All cells as frequent as the last one that must go also go, as a choice among equals would be arbitrary.
        return self.min_count if surplus <= 0 else max(self.min_count, int(counts[surplus - 1]) + 1)

    def counts(self, pair: Pair) -> NDArray[np.int64]:
        """Return the training rows per local row of the pair; index 0 counts rows whose cell was not kept."""
        return self.subset([pair]).cells[0].counts

    def subset(self, pairs: Sequence[Pair]) -> Crosses:
        """Return the crosses of some of the pairs, in the order given; local rows do not change."""
        chosen = tuple((int(left), int(right)) for left, right in pairs)
        cells_of = dict(zip(self.pairs, self.cells, strict=True))
        for pair in chosen:
            if pair not in cells_of:
                raise ValueError(f"pair {pair} is not among the {len(self.pairs)} fitted crosses")
        return Crosses(self.cardinalities, chosen, self.min_count, tuple(cells_of[pair] for pair in chosen))

    def transform(
        self, ids: Ids, *, out: NDArray[np.int32] | None = None, threads: int | None = None
    ) -> NDArray[np.int32]:
        """Return the local row of every pair, int32 `[N, P]`; `out` may be a mapped array of that shape.

        The cost is about 30 ms per million rows and pair on one thread.
        """
        check_ids(ids, self.cardinalities)
        shape = (len(ids), len(self.pairs))
        if out is None:
            out = np.empty(shape, dtype=np.int32)
        elif out.shape != shape or out.dtype != np.int32:
            raise ValueError(f"out must be int32 {shape}, not {out.dtype} {out.shape}")
        if 0 in shape:
            return out
        with ThreadPoolExecutor(threads or default_threads()) as pool:
            for rows in _blocks(len(ids), _ROWS_AT_ONCE):
                columns = _columns(ids[rows], self.pairs)

                def fill(block: slice, rows: slice = rows, columns: dict[int, Ids] = columns) -> None:
                    # A buffer is filled pair by pair and then transposed: writing single columns of `out` would
                    # touch one cache line per row and pair.
                    buffer = np.empty((block.stop - block.start, rows.stop - rows.start), dtype=np.int32)
                    for line, pair, cells in zip(buffer, self.pairs[block], self.cells[block], strict=True):
                        line[:] = self._local_rows(pair, cells, columns)
                    out[rows, block] = buffer.T

                # list() raises the errors of the threads.
                list(pool.map(fill, _blocks(len(self.pairs), _PAIRS_AT_ONCE)))
                release(ids, out)
        return out

    def _local_rows(self, pair: Pair, cells: PairCells, columns: dict[int, Ids]) -> NDArray[np.int32]:
        left, right = pair
        cards = (self.cardinalities[left], self.cardinalities[right])
        codes = cell_codes((columns[left], columns[right]), cards)
        return cells.local_rows[find_cells(cells.codes, codes, cell_space(cards))]

    def save(self, directory: Path | str) -> None:
        """Write `crosses.json` and `crosses.npz` (plain arrays, no pickle)."""
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        description = {
            "format": _FORMAT,
            "min_count": self.min_count,
            "cardinalities": self.cardinalities,
            "pairs": self.pairs,
            "sizes": self.sizes,
        }
        (directory / "crosses.json").write_text(json.dumps(description))
        np.savez(
            directory / "crosses.npz",
            codes=np.concatenate([np.empty(0, np.int64), *(cells.codes for cells in self.cells)]),
            local_rows=np.concatenate([np.empty(0, np.int32), *(cells.local_rows for cells in self.cells)]),
            counts=np.concatenate([np.empty(0, np.int64), *(cells.counts for cells in self.cells)]),
        )

    @classmethod
    def load(cls, directory: Path | str) -> Crosses:
        """Return the crosses that `save` wrote.

        Raises:
            DataError: The files are missing, damaged or do not belong together.
        """
        directory = Path(directory)
        try:
            description = read_object(directory / "crosses.json")
            sizes = np.array(description["sizes"], dtype=np.int64)
            pairs = tuple((int(left), int(right)) for left, right in description["pairs"])
            kinds = {"codes": np.int64, "local_rows": np.int32, "counts": np.int64}
            codes, local_rows, counts = load_arrays(directory / "crosses.npz", kinds).values()
            if description["format"] != _FORMAT:
                raise ValueError(f"format {description['format']} is not {_FORMAT}")
            whole = len(codes) + len(pairs) == len(local_rows) == len(counts) == sum(description["sizes"])
            if len(sizes) != len(pairs) or not whole or (sizes < 1).any():
                raise ValueError("crosses.json and crosses.npz do not belong together")
            cells = tuple(
                PairCells(*parts)
                for parts in zip(
                    np.split(codes, np.cumsum(sizes - 1)[:-1]),
                    np.split(local_rows, np.cumsum(sizes)[:-1]),
                    np.split(counts, np.cumsum(sizes)[:-1]),
                    strict=True,
                )
            )
            cardinalities = tuple(int(cardinality) for cardinality in description["cardinalities"])
            _check_pairs(pairs, len(cardinalities))
            for pair, kept in zip(pairs, cells if pairs else (), strict=True):
                _check_cells(pair, kept, cell_space([cardinalities[field] for field in pair]))
            return cls(cardinalities, pairs, int(description["min_count"]), cells if pairs else ())
        except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
            raise DataError(
                f"saved crosses cannot be read: {error} ({directory}); save them again"
            ) from error


def _frequent_cells(
    left: Ids, right: Ids, cardinalities: tuple[int, int], min_count: int
) -> tuple[Codes, NDArray[np.int64]]:
    """Return the result of `cross_codes_numba.frequent_cells`, without a compiler."""
    codes, counts = count_cells(cell_codes((left, right), cardinalities), cell_space(cardinalities))
    kept = counts >= min_count
    return codes[kept], counts[kept]


def _check_pairs(pairs: Sequence[Pair], fields: int) -> None:
    for left, right in pairs:
        if not (0 <= left < fields and 0 <= right < fields and left != right):
            raise ValueError(
                f"a pair needs two different fields among 0..{fields - 1}, found ({left}, {right})"
            )
    if len(set(pairs)) != len(pairs):
        raise ValueError("a pair is listed twice")


def _check_cells(pair: Pair, cells: PairCells, space: int | None) -> None:
    """Raise ValueError for cells whose look-ups would read beyond their tables or find a wrong row."""
    rows = cells.local_rows
    if rows[-1] != 0 or rows.min() < 0 or rows.max() >= len(cells.counts) or cells.counts.min() < 0:
        raise ValueError(f"crosses.npz has rows of pair {pair} outside 0..{len(cells.counts) - 1}")
    if not codes_rise(cells.codes, space):
        raise ValueError(
            f"crosses.npz has codes of pair {pair} that do not rise or are not those of its fields"
        )


def _columns(ids: Ids, pairs: Sequence[Pair]) -> dict[int, Ids]:
    """Return contiguous copies of the columns of the pairs, as each is read by many pairs."""
    return {
        field: np.ascontiguousarray(ids[:, field]) for field in sorted({f for pair in pairs for f in pair})
    }


def _most_frequent(all_cells: list[PairCells], budget: int) -> list[PairCells]:
    """Return the `budget` most frequent cells of all pairs; trimming while pairs arrive gives the same cells."""
    counts = np.concatenate([cells.counts[1:] for cells in all_cells])
    if len(counts) <= budget:
        return all_cells
    counts = np.sort(counts)
    cut = int(counts[-budget]) if budget else int(counts[-1]) + 1
    places_at_cut = budget - int((counts > cut).sum())
    keys_at_cut = [_tie_keys(number, cells, cut) for number, cells in enumerate(all_cells)]
    limit = np.sort(np.concatenate(keys_at_cut))[places_at_cut - 1] if places_at_cut else np.uint64(0)
    trimmed = []
    for cells, keys in zip(all_cells, keys_at_cut, strict=True):
        keep = cells.counts > cut
        keep[1:][cells.counts[1:] == cut] = keys <= limit
        keep[0] = True
        trimmed.append(cells.kept(keep))
    return trimmed


def _tie_keys(number: int, cells: PairCells, count: int) -> NDArray[np.uint64]:
    """Return a fixed pseudo-random key per cell of that count, in the order of codes and local rows."""
    tied = cells.codes[cells.counts[cells.local_rows[:-1]] == count].view(np.uint64)
    return splitmix64(tied ^ splitmix64(np.array([number], dtype=np.uint64)))


def _blocks(length: int, size: int) -> Iterator[slice]:
    for start in range(0, length, size):
        yield slice(start, min(start + size, length))
