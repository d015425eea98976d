"""What a study is after, its front, and what its winner misses, in words: the same in a terminal and on a page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autofi.objectives.objectives import OBJECTIVES, Goals

#: Points shown, best first by the first objective.
SHOWN_POINTS = 30
FRONT = "Nothing that was measured beats these in everything."


def front_table(summary: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Heading and rows of the front, `summary` as `Study.summary()` gives it; no rows where there is one objective."""
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
    """Objectives and limits, where they are not the plain AUC; empty where they are."""
    goals = Goals.parse(summary.get("objectives"), summary.get("limits"))
    if goals == Goals():
        return ""
    limits = [limit.told() for limit in goals.limits]
    return ", then ".join(goals.names) + (f", with {' and '.join(limits)}" if limits else "")


def missed_words(summary: Mapping[str, Any]) -> str:
    """What the architecture that is shown is beyond; empty where it keeps every limit."""
    missed = summary.get("missed") or []
    if not missed:
        return ""
    if not summary.get("winner"):
        return f"No architecture keeps the limits; of the closest, {' and '.join(missed)}."
    return f"The winner was retrained beyond the limits: {' and '.join(missed)}."
