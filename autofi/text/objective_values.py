"""The objectives of a study, its Pareto front and missed limits in words, the same for terminal and report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autofi.objectives.objectives import OBJECTIVES, Goals

#: The most points shown, best first by the first objective.
SHOWN_POINTS = 30
FRONT = "No measured trial beats these in every objective."


def front_table(summary: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Return heading and rows of the front of a `Study.summary()`; no rows where there is only one objective."""
    points = (summary.get("front") or [])[:SHOWN_POINTS]
    names = list(summary.get("objectives") or [])
    heading = ["trial", *(OBJECTIVES[name].label for name in names), "architecture"]
    return heading, [
        [
            str(point["trial"]),
            *(OBJECTIVES[name].told(point["values"][name]) for name in names),
            str(point["architecture"]),
        ]
        for point in points
    ]


def goals_words(summary: Mapping[str, Any]) -> str:
    """Return objectives and limits as a phrase; "" where the objective is AUC alone without limits."""
    goals = Goals.parse(summary.get("objectives"), summary.get("limits"))
    if goals == Goals():
        return ""
    limits = [limit.told() for limit in goals.limits]
    return ", then ".join(goals.names) + (f", with {' and '.join(limits)}" if limits else "")


def missed_words(summary: Mapping[str, Any]) -> str:
    """Return a sentence on the limits that the shown architecture misses; "" where it keeps every limit."""
    missed = summary.get("missed") or []
    if not missed:
        return ""
    if not summary.get("winner"):
        return f"No architecture keeps the limits; the closest one misses them: {' and '.join(missed)}."
    return f"The retrained winner misses the limits: {' and '.join(missed)}."
