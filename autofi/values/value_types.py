"""Value types of columns, and the settings by which a column is read, whatever the format of its values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

#: Texts that mean a missing value in a column of numbers or times, in lower case and without spaces around them.
MISSING_MARKS = frozenset(("", "na", "n/a", "#n/a", "<na>", "nan", "nat", "null", "none", "\\n", "-", "?"))


class ValueType(StrEnum):
    """The type of a column, judged by all of its values.

    Attributes:
        TEXT: Any values; a text is one value exactly as written, including leading zeros and spaces.
        INTEGER: Whole numbers in any notation (7, 7.0, +7, 7e0), and booleans, which are 1 and 0.
        NUMBER: Numbers of which at least one has a fraction.
        TIME: Dates and timestamps, as seconds since 1970-01-01 UTC to the microsecond; without a zone they are UTC.
        DURATION: Durations and times of the day, as seconds.
    """

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    TIME = "time"
    DURATION = "duration"


@dataclass(frozen=True)
class Reading:
    """The settings by which the values of one column are read.

    Attributes:
        values: Type of the column. None reads value by value, as AutoFI 0.1 did: models of that time depend on it.
        decimal: "," or "." if the column's texts have decimal commas or groups of thousands (1.234,5 or 1,234.5).
        missing: Marks of missing values besides `MISSING_MARKS`; they are missing in columns of text, too.
        grouped: False if the column has decimal commas and no groups of thousands in training: 1.234 is then a number
            with a decimal point.
    """

    values: ValueType | None = None
    decimal: str | None = None
    missing: tuple[str, ...] = ()
    grouped: bool = True

    @cached_property
    def marks(self) -> frozenset[str]:
        """The column's own marks of missing values, without spaces around them."""
        return frozenset(mark.strip() for mark in self.missing)

    @property
    def numeric(self) -> bool:
        """True if values are numbers or times, where the usual marks of missing values are missing."""
        return self.values not in (None, ValueType.TEXT)


#: The reading of every column in AutoFI 0.1.
AS_WRITTEN = Reading()
