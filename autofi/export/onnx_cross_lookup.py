"""Lookup of crosses in the graph: the row of a cross, and counts and clicks, by the exact code of the cross."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from autofi.data.cross_codes import cell_space
from autofi.data.crosses import Crosses
from autofi.data.features import Column
from autofi.data.target_encoding import TargetStatistics
from autofi.errors import ExportError
from autofi.export.onnx_opset import Var, columns, ml, op

Codes = NDArray[np.int64]
_SPACE = 1 << 63


def cross_rows(ids: Var, crosses: Crosses) -> Var:
    """Return the rows `[N, P]` of int64 codes `[N, F]`; 0, a pair's own row of the unknown, for other crosses."""
    known = [(cells.codes, cells.local_rows[:-1].astype(np.int64)) for cells in crosses.cells]
    return _found(ids, crosses.pairs, crosses.cardinalities, known, absent=0)


def counts_and_clicks(rows: Var, statistics: TargetStatistics) -> Var:
    """Return counts and clicks, float32 `[N, C, 2]`, of the rows of `cell_rows`; zeros for a cell never seen."""
    return op.gather(op.const(cell_values(statistics)), rows, axis=0)


def cell_rows(ids: Var, statistics: TargetStatistics) -> Var:
    """Return the rows `[N, C]` in `cell_values` of int64 codes `[N, F]`."""
    sizes = [len(cells.codes) for cells in statistics.cells]
    starts = np.cumsum([0, *sizes])
    known = [
        (cells.codes, np.arange(start, start + size))
        for cells, start, size in zip(statistics.cells, starts[:-1], sizes, strict=True)
    ]
    return _found(ids, statistics.columns, statistics.cardinalities, known, absent=int(starts[-1]))


def cell_values(statistics: TargetStatistics) -> NDArray[np.float32]:
    """Return counts and clicks of the cells of all columns, `[K + 1, 2]`; the last row is of a cell never seen."""
    known = [np.stack([cells.counts, cells.clicks], axis=1) for cells in statistics.cells]
    return np.concatenate([*known, np.zeros((1, 2))], dtype=np.float32)


def _found(
    ids: Var,
    cells: Sequence[Column],
    cardinalities: Sequence[int],
    known: Sequence[tuple[Codes, Codes]],
    *,
    absent: int,
) -> Var:
    """Return the values that `known` (codes and values) has for every cross of a row, `[N, len(cells)]`."""
    parts = []
    for group, bases in _groups(cells, cardinalities):
        codes = _codes(ids, [cells[number] for number in group], cardinalities)
        keys = [known[number][0] + base for number, base in zip(group, bases, strict=True)]
        table = ml.label_encoder(
            op.add(codes, op.const(np.array(bases, dtype=np.int64))),
            keys_tensor=np.concatenate([np.array([-1]), *keys]),
            values_tensor=np.concatenate([np.array([absent]), *(known[number][1] for number in group)]),
            default_tensor=np.array([absent]),
        )
        parts.append(table)
    return parts[0] if len(parts) == 1 else op.concat(parts, axis=1)


def _codes(ids: Var, cells: Sequence[Column], cardinalities: Sequence[int]) -> Var:
    """Return the codes of crosses, as `autofi.data.cross_codes.cell_codes` makes them."""
    codes = columns(ids, [cell[0] for cell in cells])
    for place in range(1, max(map(len, cells))):
        # A cross that has no field at this place keeps its code.
        has = [len(cell) > place for cell in cells]
        widths = [cardinalities[cell[place]] if more else 1 for cell, more in zip(cells, has, strict=True)]
        read = columns(ids, [cell[place] if more else cell[0] for cell, more in zip(cells, has, strict=True)])
        codes = op.add(
            op.mul(codes, op.const(np.array(widths, dtype=np.int64))),
            op.mul(read, op.const(np.array(has, dtype=np.int64))),
        )
    return codes


def _groups(cells: Sequence[Column], cardinalities: Sequence[int]) -> Iterator[tuple[list[int], list[int]]]:
    """Yield groups of crosses whose codes fit 63 bits together, so that one table replaces several."""
    group: list[int] = []
    bases: list[int] = []
    top = 0
    for number, cell in enumerate(cells):
        space = cell_space([cardinalities[field] for field in cell])
        if space is None:
            raise ExportError(
                f"A cross of {len(cell)} fields has more cells than 63 bits can number, so that it cannot be looked up "
                "in an ONNX graph; export it with --format torch."
            )
        if group and top + space >= _SPACE:
            yield group, bases
            group, bases, top = [], [], 0
        group.append(number)
        bases.append(top)
        top += space
    yield group, bases
