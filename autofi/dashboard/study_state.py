"""The current state of a study, from its records and its living processes."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from autofi.store import StudyOverview
from autofi.store.stage_keys import GOAL, PROPOSAL, STOPPED

#: The last stage: the winner is retrained and compared.
WINNER = "winner"


class StudyState(StrEnum):
    """The state of a study; STOPPED ended before its winner was retrained, WAITING has not begun."""

    SEARCHING = "searching"
    RETRAINING = "retraining"
    COMPLETE = "complete"
    STOPPED = "stopped"
    WAITING = "waiting"


def state_of(study: StudyOverview) -> StudyState:
    """Return the state; a run begins with its goal, and earlier records are of an earlier run."""
    begun = _recorded(study, GOAL)

    def is_of_this_sitting(key: str) -> bool:
        recorded = _recorded(study, key)
        return recorded is not None and (begun is None or recorded >= begun)

    searched = is_of_this_sitting(STOPPED)
    if study.led:
        return StudyState.RETRAINING if searched else StudyState.SEARCHING
    if study.workers and not searched:
        return StudyState.SEARCHING
    if is_of_this_sitting(WINNER):
        return StudyState.COMPLETE
    if begun is not None or study.trials or PROPOSAL in study.stages:
        return StudyState.STOPPED
    return StudyState.WAITING


def stopped_by(study: StudyOverview) -> str | None:
    """Return why the last run's search ended; None while it goes on, or where it was interrupted."""
    stopped, begun = study.stages.get(STOPPED), _recorded(study, GOAL)
    if stopped is None or stopped.payload is None or (begun is not None and stopped.recorded_at < begun):
        return None
    return str(stopped.payload["reason"])


def _recorded(study: StudyOverview, key: str) -> datetime | None:
    stage = study.stages.get(key)
    return None if stage is None else stage.recorded_at
