"""Value types of columns, and how a column of one type is read, whatever format or type its values come in."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

#: Texts, in lower case and without spaces around them, that are missing in a column of numbers or times.
MISSING_MARKS = frozenset(("", "na", "n/a", "#n/a", "<na>", "nan", "nat", "null", "none", "\\n", "-", "?"))


class ValueType(StrEnum):
    """The values of a column, judged over all of them.

    text      anything; a text is one value as it is written, leading zeros and spaces included
    integer   whole numbers, however written (7, 7.0, +7, 7e0), and booleans, which are 1 and 0
    number    numbers of which any has a fraction
    time      dates and timestamps: seconds since 1970-01-01 UTC, to the microsecond; without a zone it is UTC
    duration  durations and times of the day: seconds
    """

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    TIME = "time"
    DURATION = "duration"


@dataclass(frozen=True)
class Reading:
    """The way in which the values of one column are read.

    `values` None reads them as AutoFI 0.1 did, value by value: exported models of that time depend on it.
    `decimal` is "," or "." where the column's texts have decimal commas or groups of thousands (1.234,5 and 1,234.5),
    else None. `missing` are marks of missing values besides those of `MISSING_MARKS`; they are missing in columns of
    text, too. `grouped` is False where the column has decimal commas and no groups of thousands in training: 1.234 is
    then the number that every other file means by it.
    """

    values: ValueType | None = None
    decimal: str | None = None
    missing: tuple[str, ...] = ()
    grouped: bool = True

    @cached_property
    def marks(self) -> frozenset[str]:
        """Texts, without spaces around them, that are missing; those of `MISSING_MARKS` in any case besides."""
        return frozenset(mark.strip() for mark in self.missing)

    @property
    def numeric(self) -> bool:
        """True where values are numbers or times, so that the usual marks of missing values are none."""
        return self.values not in (None, ValueType.TEXT)


#: As AutoFI 0.1 read every column.
AS_WRITTEN = Reading()
