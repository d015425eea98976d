"""Warnings of data checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

#: A field whose values each have one class.
DETERMINES = "determines_target"
#: A field that by itself orders validation rows almost as the target does.
STRONG = "strong_field"
#: A pair whose crosses have one class each, while the values of its two fields do not.
ONE_CLASS = "one_class_pair"
#: A field whose values differ between training and held-out rows.
DRIFT = "drift"


@dataclass(frozen=True)
class DataWarning:
    """A warning about the data, to know before trusting a result on it.

    Attributes:
        kind: DETERMINES, STRONG, ONE_CLASS or DRIFT.
        fields: Name of the field, or names of the two fields of a pair.
        sentence: The warning in one line.
        figures: The numbers behind it, by name.
    """

    kind: str
    fields: tuple[str, ...]
    sentence: str
    figures: Mapping[str, Any] = field(default_factory=dict)
