"""The stored record of a study's winner, as lists of studies read it without loading trials."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autofi.objectives.objectives import Goals

#: The stage of the winner that is trained and compared: see `autofi.records.winner`.
WINNER = "winner"


def kept_reason(goals: Goals, kept: Mapping[str, Any], best: float | None) -> str | None:
    """Return the reason why a trial that is ahead of the winner in a validation metric did not win.

    Args:
        goals: Objectives and limits.
        kept: The stored record of the winner.
        best: The best first objective within the limits by now.

    Returns:
        The reason, or None if no trial is ahead or an earlier version stored no reason.
    """
    first, before = goals.objectives[0], kept.get("best")
    if best is not None and before is not None and first.loss(best) < first.loss(before):
        return (
            f"A trial that was measured after the winner was chosen has the best {first.of_validation}, "
            f"{first.told(best)}; the next search that ends chooses again."
        )
    return next(iter(kept.get("reasons") or ()), None)
