"""What is kept with the winner of a study, as lists of studies read it: no trial is looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autofi.objectives.objectives import Goals

#: The stage of the winner that is trained and compared: see `autofi.records.winner`.
WINNER = "winner"


def kept_reason(goals: Goals, kept: Mapping[str, Any], best: float | None) -> str | None:
    """Why a trial that is ahead of the winner in a validation figure did not win; None where none is, or an earlier
    version kept nothing. `best` is the best first objective within the limits by now."""
    first, before = goals.objectives[0], kept.get("best")
    if best is not None and before is not None and first.loss(best) < first.loss(before):
        return (
            f"A trial that was measured after the winner was chosen has the best {first.of_validation}, "
            f"{first.told(best)}: a search that ends chooses again."
        )
    return next(iter(kept.get("reasons") or ()), None)
