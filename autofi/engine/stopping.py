"""How far a search goes: what its leader asks of all workers, and why it ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from autofi.records.trial_metrics import trials_since_better
from autofi.store import StudyHandle, TrialRecord, TrialState
from autofi.store.stage_keys import GOAL, STAGE


@dataclass(frozen=True)
class StoppingRule:
    """How far a search goes; kept with the study, so that workers elsewhere know.

    trials   architectures in all, over all sittings and workers
    until    when no further trial begins; None: no such time
    plateau  trials in a row that may come to nothing better; None: as many as there are
    shared   whether workers propose as the leader does; what a tuner of NNI proposes, the leader alone is told
    """

    trials: int
    until: datetime | None = None
    plateau: int | None = None
    shared: bool = True

    @classmethod
    def within(
        cls, trials: int, seconds: float | None, plateau: int | None = None, *, shared: bool = True
    ) -> StoppingRule:
        """With an end so many seconds from now."""
        until = None if seconds is None else datetime.now(UTC) + timedelta(seconds=seconds)
        return cls(trials, until, plateau, shared)

    def reached(self, handle: StudyHandle, ended: Sequence[TrialRecord]) -> str | None:
        """Why no further trial begins; None while one does. `ended` are the trials that were measured or stopped."""
        if handle.counted(STAGE) >= self.trials:
            one = self.trials == 1
            return (
                "the one trial asked for is done" if one else f"the {self.trials} trials asked for are done"
            )
        if not any(trial.state is TrialState.COMPLETE for trial in ended):
            return None  # a search that has nothing to show yet measures one all the same
        if self.until is not None and datetime.now(UTC) >= self.until:
            return "the time is up"
        since = trials_since_better(handle.goals, ended)
        if self.plateau is not None and since >= self.plateau:
            return f"none of the last {since} trials came to anything better"
        return None

    def keep(self, handle: StudyHandle) -> None:
        """For all workers; another sitting may set another one."""
        until = None if self.until is None else self.until.isoformat()
        payload = {"trials": self.trials, "until": until, "plateau": self.plateau, "shared": self.shared}
        handle.record_stage(GOAL, payload)

    @classmethod
    def read(cls, handle: StudyHandle) -> StoppingRule:
        """The goal kept with a study."""
        kept = handle.stage(GOAL) or {"trials": 0, "until": None}
        until = None if kept["until"] is None else datetime.fromisoformat(kept["until"])
        return cls(kept["trials"], until, kept.get("plateau"), kept.get("shared", True))
