"""Random raw rows to compare two forms of a model on, drawn field by field from the values that the encoder knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from autofi.data.encoder import FieldEncoder
from autofi.data.schema import FieldKind
from autofi.data.vocabulary import FIRST_VALUE, Vocabulary
from autofi.export.sample_request import UNSEEN
from autofi.values.arrow_values import LIST_SEPARATOR

ROWS = 2000
#: The shares of rows, in every field.
MISSING_SHARE = 0.05
UNSEEN_SHARE = 0.05


def probe_rows(fields: Sequence[FieldEncoder], rows: int = ROWS, *, seed: int = 0) -> pa.RecordBatch:
    """Return a column per field, drawn independently; equal arguments give equal rows.

    Values are as frequent as in training, and numbers lie between two borders that are drawn evenly. Some
    values are missing, and some are unseen values, or numbers beyond the outer borders.
    """
    generator = np.random.default_rng(seed)
    columns = {}
    for field in fields:
        drawn = _numbers if field.field.kind is FieldKind.NUMERIC else _texts
        columns[field.field.name] = drawn(field, rows, generator)
    return pa.RecordBatch.from_pydict(columns)


def _numbers(field: FieldEncoder, rows: int, generator: np.random.Generator) -> pa.Array:
    assert field.positions is not None
    borders = field.positions.borders if len(field.positions.borders) else np.zeros(1)
    found = np.interp(generator.uniform(0, len(borders) - 1, rows), np.arange(len(borders)), borders)
    missing, unseen = _exceptions(rows, generator)
    beyond = generator.exponential(1 + borders[-1] - borders[0], rows)
    outside = np.where(generator.random(rows) < 0.5, borders[0] - beyond, borders[-1] + beyond)
    return pa.array(np.where(unseen, outside, found), mask=missing)


def _texts(field: FieldEncoder, rows: int, generator: np.random.Generator) -> pa.Array:
    assert isinstance(field.codes, Vocabulary)
    counts = field.counts[FIRST_VALUE:].astype(np.float64)
    missing, unseen = _exceptions(rows, generator)
    values: list[str] = [UNSEEN] * rows
    if counts.sum():
        places = generator.choice(len(counts), rows, p=counts / counts.sum())
        known = field.codes.values.take(pa.array(places)).to_pylist()
        values = [UNSEEN if new else value for value, new in zip(known, unseen, strict=True)]
    cells = [_cell(field, value) for value in values]
    return pa.array([None if gone else cell for cell, gone in zip(cells, missing, strict=True)])


def _cell(field: FieldEncoder, value: str) -> Any:
    """Return a value as its column holds it; a list is known by its joined values."""
    if field.field.kind is not FieldKind.MULTI_VALUED:
        return value
    values = value.split(LIST_SEPARATOR)
    return values if field.field.separator is None else field.field.separator.join(values)


def _exceptions(rows: int, generator: np.random.Generator) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the masks of the rows with a missing value, and of those with an unseen one."""
    drawn = generator.random(rows)
    return drawn < MISSING_SHARE, (drawn >= MISSING_SHARE) & (drawn < MISSING_SHARE + UNSEEN_SHARE)


__all__ = ["MISSING_SHARE", "ROWS", "UNSEEN_SHARE", "probe_rows"]
