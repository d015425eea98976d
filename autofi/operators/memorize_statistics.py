"""Memorization of a pair by the target encoding of its cross."""

from __future__ import annotations

from autofi.operators._target_statistics import Statistics
from autofi.operators.registry import register


@register
class MemorizeStatistics(Statistics):
    """Out-of-fold click rate and count of a cross's cell: memorizing for cells too rare for an embedding."""

    name = "memorize_statistics"
    aliases = ("memorize_target_encoding",)
    choice = "memorize"
    arity = 2
    summary = "the smoothed out-of-fold click rate of the cross's cell, and its count"
