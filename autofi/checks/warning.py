"""What a check of the data warns of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

#: A field whose values each have one class.
DETERMINES = "determines_target"
#: A field that by itself orders validation rows almost as the target does.
STRONG = "strong_field"
#: A pair whose crosses have one class, which the two fields by themselves do not.
ONE_CLASS = "one_class_pair"
#: A field whose values are others in validation or test rows than in training.
DRIFT = "drift"


@dataclass(frozen=True)
class DataWarning:
    """One thing to know of the data before a result on it is believed.

    kind      DETERMINES, STRONG, ONE_CLASS or DRIFT
    fields    names: one field, or the two of a pair
    figures   what it rests on, by name
    sentence  the same in words, one line
    """

    kind: str
    fields: tuple[str, ...]
    sentence: str
    figures: Mapping[str, Any] = field(default_factory=dict)
