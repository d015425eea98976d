"""The difference between scored rows and training rows, field by field, counted while rows are scored."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from autofi.bundle.training_profile import FieldProfile, Share, TrainingProfile
from autofi.core.one_line import one_line
from autofi.data.raw_field import FieldValues
from autofi.data.schema import Field, FieldKind, Schema
from autofi.values.arrow_values import canonical_strings
from autofi.values.value_types import AS_WRITTEN, Reading, ValueType

#: The first rows are all counted; after them, one batch in so many.
FIRST_ROWS = 1 << 13
ONE_BATCH_IN = 8
#: A share of fewer values is not compared.
FEWEST_VALUES = 10
#: A share is far off where it is above that of training by this margin plus these standard errors of both.
MARGIN = 0.2
STANDARD_ERRORS = 3.0
#: The most fields that the line of a table names.
_TOLD_FIELDS = 5


@dataclass(frozen=True)
class FieldSkew:
    """One field of the counted rows; `expected` has the same shares of training.

    Attributes:
        missing: Rows without a value.
        unseen: Values (tokens of a multi-valued field) that training rows do not have; None in a numeric field.
        rare: Numbers below the 1st or above the 99th percentile of training; None where the field is not
            numeric.
        outside: Numbers below the lowest or above the highest of training; None where the field is not numeric.
        reading: How values are read, so that times are shown as times.
    """

    name: str
    missing: Share
    unseen: Share | None
    rare: Share | None
    outside: Share | None
    expected: FieldProfile
    reading: Reading = AS_WRITTEN

    @property
    def told(self) -> tuple[str, ...]:
        """The shares that are far off, such as `100 % unseen, 0.2 % in training`."""
        found = [("missing", self.missing, self.expected.missing)]
        if self.unseen is not None and self.expected.unseen is not None:
            found.append(("unseen", self.unseen, self.expected.unseen))
        numbers = self.expected.numbers
        if self.rare is not None and numbers is not None:
            low, high = numbers.usual
            ends = " to ".join(_shown(end, self.reading) for end in (low, high))
            found.append((f"outside {ends}", self.rare, numbers.rare))
        return tuple(
            f"{percent(share)} {what}, {percent(before)} in training"
            for what, share, before in found
            if far_off(share, before)
        )

    def to_json(self) -> dict[str, Any]:
        """Return the shares with those of training; null where there is no such share."""
        numbers = self.expected.numbers
        shares = {
            "missing": (self.missing, self.expected.missing),
            "unseen": (self.unseen, self.expected.unseen),
            "rare": (self.rare, None if numbers is None else numbers.rare),
            "outside": (self.outside, None),
        }
        return {
            "name": self.name,
            "told": list(self.told),
            **{
                name: share and {"share": share.value, "of": share.of, "training": before and before.value}
                for name, (share, before) in shares.items()
            },
        }


@dataclass(frozen=True)
class Skew:
    """The comparison of the scored rows with the training rows.

    Attributes:
        table: The name of the table.
        rows: The number of scored rows.
        counted: The number of rows that were compared: the first 8,192, then one batch in eight.
        fields: The fields that the model reads.
    """

    table: str
    rows: int
    counted: int
    fields: tuple[FieldSkew, ...]

    @property
    def told(self) -> dict[str, tuple[str, ...]]:
        """The fields that are far off, with their shares."""
        return {field.name: field.told for field in self.fields if field.told}

    @property
    def line(self) -> str | None:
        """One line that names the fields that are far off; None where there is none."""
        return told_line(self.table, self.told, len(self.fields))

    def to_json(self) -> dict[str, Any]:
        return {
            "told": self.line,
            "rows": self.rows,
            "counted": self.counted,
            "fields": [field.to_json() for field in self.fields],
        }


class SkewWarning(UserWarning):
    """The warning that scored rows are far from those of training; `skew` has the numbers."""

    def __init__(self, skew: Skew) -> None:
        super().__init__(skew.line)
        self.skew = skew


class SkewCounts:
    """A counter of batches of raw rows as they are scored.

    The first 8,192 rows are all counted, and after them one batch in eight, which takes a few per cent of the
    scoring time.
    """

    def __init__(self, profile: TrainingProfile, schema: Schema) -> None:
        """Fields that the profile lacks are left out."""
        profiles = {field.name: field for field in profile.fields}
        self._fields = [
            _FieldCounts(field, profiles[field.name]) for field in schema.fields if field.name in profiles
        ]
        self._batches = 0
        self.rows = self.counted = 0

    def add(self, batch: pa.RecordBatch) -> bool:
        """Count a scored batch or skip it; return True where it was counted."""
        first = self.counted < FIRST_ROWS and self.counted == self.rows
        self._batches = 0 if first else self._batches + 1
        self.rows += batch.num_rows
        if not first and self._batches % ONE_BATCH_IN:
            return False
        self.counted += batch.num_rows
        for field in self._fields:
            field.add(batch.column(field.name))
        return True

    def snapshot(self) -> Snapshot:
        """Return the counts so far, so that later ones can be looked at alone."""
        return Snapshot(self.rows, self.counted, [field.tally.copy() for field in self._fields])

    def skew(self, table: str, *, since: Snapshot | None = None) -> Skew:
        """Return the comparison of all rows so far, or of those since a snapshot."""
        before = since or Snapshot(0, 0, [np.zeros_like(field.tally) for field in self._fields])
        fields = tuple(
            field.skew(field.tally - tally) for field, tally in zip(self._fields, before.tallies, strict=True)
        )
        return Skew(table, self.rows - before.rows, self.counted - before.counted, fields)


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The counts of a `SkewCounts` at one moment."""

    rows: int
    counted: int
    tallies: list[NDArray[np.int64]]


class _FieldCounts:
    """The counts of one field: rows, missing, compared values, and of these the unseen, rare and outside ones."""

    def __init__(self, field: Field, profile: FieldProfile) -> None:
        self.name = field.name
        self.tally = np.zeros(6, dtype=np.int64)
        self._field, self._profile = field, profile

    def add(self, column: pa.Array) -> None:
        values = FieldValues(_short_dictionary(column), self._field)
        if self._field.kind is FieldKind.NUMERIC:
            found = self._numbers(values.numbers())
        elif self._field.kind is FieldKind.MULTI_VALUED:
            tokens = values.tokens()
            _, compared, unseen = self._texts(pc.list_flatten(tokens).dictionary_encode())
            found = (tokens.null_count, compared, unseen, 0, 0)
        else:
            found = (*self._texts(values.codes()), 0, 0)
        self.tally += (len(column), *found)

    def skew(self, tally: NDArray[np.int64]) -> FieldSkew:
        rows, missing, values, unseen, rare, outside = tally.tolist()
        numeric = self._profile.numbers is not None
        return FieldSkew(
            name=self.name,
            missing=Share(missing, rows),
            unseen=None if self._profile.values is None else Share(unseen, values),
            rare=Share(rare, values) if numeric else None,
            outside=Share(outside, values) if numeric else None,
            expected=self._profile,
            reading=self._field.reading,
        )

    def _numbers(self, numbers: NDArray[np.float64]) -> tuple[int, int, int, int, int]:
        missing, trained = int(np.isnan(numbers).sum()), self._profile.numbers
        if trained is None:
            return missing, 0, 0, 0, 0
        low, high = trained.usual
        # NaN is neither below nor above.
        rare = int((numbers < low).sum() + (numbers > high).sum())
        outside = int((numbers < trained.lowest).sum() + (numbers > trained.highest).sum())
        return missing, len(numbers) - missing, 0, rare, outside

    def _texts(self, encoded: pa.DictionaryArray) -> tuple[int, int, int]:
        """Return the number of missing values, of compared values, and of unseen ones among the compared."""
        texts = encoded.dictionary.to_pylist()
        of_row = encoded.indices
        if of_row.null_count:
            of_row = pc.fill_null(pc.cast(of_row, pa.int64()), len(texts))
        counts = np.bincount(of_row.to_numpy(zero_copy_only=False), minlength=len(texts) + 1)
        there = np.array([text is not None for text in texts], dtype=bool)
        missing = int(counts[-1] + counts[:-1][~there].sum())
        if self._profile.values is None:
            return missing, 0, 0
        compared, seen = self._profile.values.compare([text for text in texts if text is not None])
        used = counts[:-1][there]
        return missing, int(used[compared].sum()), int(used[compared & ~seen].sum())


def far_off(share: Share, before: Share) -> bool:
    """Return True where a share is far above that of training.

    That is where the lower end of its interval lies more than 20 percentage points above the upper end of the
    interval of training's share; a share of 100 % only needs to lie above that end. Intervals are Wilson's, of
    three standard errors. With fewer than 10 values, or none in training, the result is False.
    """
    if share.of < FEWEST_VALUES or not before.of:
        return False
    margin = 0.0 if share.count == share.of else MARGIN
    return wilson(share)[0] > wilson(before)[1] + margin


def wilson(share: Share, errors: float = STANDARD_ERRORS) -> tuple[float, float]:
    """Return Wilson's interval of a share, `errors` standard errors to either side; (0, 1) for a share of nothing."""
    if not share.of:
        return 0.0, 1.0
    count, square = share.of, errors * errors
    middle = share.value + square / (2 * count)
    half = errors * math.sqrt(share.value * (1 - share.value) / count + square / (4 * count * count))
    return max(0.0, (middle - half) / (1 + square / count)), min(1.0, (middle + half) / (1 + square / count))


def percent(share: Share) -> str:
    """Return a share with three digits; rounding never makes it 0 or 100 %."""
    if share.count > 0 and share.value < 5e-5:
        return "under 0.01 %"
    text = f"{100 * share.value:.3g}"
    return f"{'99.9' if text == '100' and share.count < share.of else text} %"


def told_line(table: str, told: Mapping[str, Sequence[str]], fields: int) -> str | None:
    """Return one line on the fields of a table that are far off; None without any."""
    if not told:
        return None
    parts = [f"{name}: {' and '.join(found)}" for name, found in list(told.items())[:_TOLD_FIELDS]]
    more = len(told) - len(parts)
    tail = f"; and {more} more" if more else ""
    line = (
        f"{table} is far from the training rows in {len(told)} of {fields} fields: {'; '.join(parts)}{tail}"
    )
    return one_line(line)


def _shown(number: float, reading: Reading) -> str:
    """Return a number with four digits, or a time as text, to the second."""
    if reading.values is ValueType.TIME:
        return str(canonical_strings(pa.array([round(number)]), reading)[0])
    return f"{number:.4g}"


def _short_dictionary(column: pa.Array) -> pa.Array:
    """Return the column without its dictionary where the dictionary is longer than the column.

    A slice of a dictionary column keeps the whole dictionary.
    """
    if pa.types.is_dictionary(column.type) and len(column.dictionary) > len(column):
        return column.dictionary_decode()
    return column
