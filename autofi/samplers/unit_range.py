"""Numbers by their place in a range, from 0 to 1: on the logarithm's scale where the range is on it."""

from __future__ import annotations

import math

from optuna.distributions import FloatDistribution, IntDistribution

Range = FloatDistribution | IntDistribution


def place_of(value: float, found: Range) -> float:
    """Where a value lies; the middle of a range that has no width."""
    low, high, value = (math.log(part) if found.log else part for part in (found.low, found.high, value))
    return (value - low) / (high - low) if high > low else 0.5


def value_at(place: float, found: Range) -> float | int:
    """The value at a place, which counts as the nearest in the range; whole where the range is."""
    low, high = (math.log(part) if found.log else part for part in (found.low, found.high))
    value: float = low + min(max(place, 0.0), 1.0) * (high - low)
    value = min(max(math.exp(value) if found.log else value, found.low), found.high)
    return round(value) if isinstance(found, IntDistribution) else value
