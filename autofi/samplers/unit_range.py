"""Places of numbers in a range, from 0 to 1, on a logarithmic scale if the range is."""

from __future__ import annotations

import math

from optuna.distributions import FloatDistribution, IntDistribution

Range = FloatDistribution | IntDistribution


def place_of(value: float, found: Range) -> float:
    """Return the place of a value in a range; 0.5 if the range has no width."""
    low, high, value = (math.log(part) if found.log else part for part in (found.low, found.high, value))
    return (value - low) / (high - low) if high > low else 0.5


def value_at(place: float, found: Range) -> float | int:
    """Return the value at a place, which is clipped to the range; a whole number if the range is of integers."""
    low, high = (math.log(part) if found.log else part for part in (found.low, found.high))
    value: float = low + min(max(place, 0.0), 1.0) * (high - low)
    value = min(max(math.exp(value) if found.log else value, found.low), found.high)
    return round(value) if isinstance(found, IntDistribution) else value
