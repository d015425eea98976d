"""The target encoding of a field's value."""

from __future__ import annotations

from autofi.operators._target_statistics import Statistics
from autofi.operators.registry import register


@register
class FieldStatistics(Statistics):
    """Out-of-fold click rate and count of a field's value."""

    name = "statistics"
    aliases = ("target_encoding",)
    choice = "field"
    arity = 1
    summary = "the smoothed out-of-fold click rate of the value, and its count"
