"""The end of a search: the leader's rule for all workers, and the reason for ending."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from autofi.core.time_budget import TimeBudget
from autofi.records.time_shares import needed_after_trials, typical_seconds
from autofi.records.trial_metrics import trials_since_better
from autofi.store import StudyHandle, TrialRecord, TrialState
from autofi.store.stage_keys import GOAL, STAGE

#: The reason for ending where a further trial does not fit.
TIME_IS_UP = "the time for trials is up"


@dataclass(frozen=True)
class StoppingRule:
    """The rule that ends a search; it is kept with the study, so that workers elsewhere know it.

    Attributes:
        trials: Architectures in all, over all sittings and workers.
        until: The end of the time of the whole run; None for no such time.
        seconds: The length of that time. A trial begins only if it fits, with what comes after trials.
        plateau: Trials in a row without a better one that end the search; None for no such limit.
        shared: True if workers propose as the leader does; only the leader gets the proposals of a tuner of NNI.
    """

    trials: int
    until: datetime | None = None
    plateau: int | None = None
    shared: bool = True
    seconds: float = 0.0

    @classmethod
    def within(
        cls, trials: int, budget: TimeBudget, plateau: int | None = None, *, shared: bool = True
    ) -> StoppingRule:
        """Return a rule whose time ends with the budget's."""
        if budget.seconds is None:
            return cls(trials, None, plateau, shared)
        return cls(
            trials, datetime.now(UTC) + timedelta(seconds=budget.left), plateau, shared, budget.seconds
        )

    def reached(self, handle: StudyHandle, ended: Sequence[TrialRecord]) -> str | None:
        """Return the reason why no further trial begins; None if one does.

        Args:
            ended: The trials that were measured or stopped.
        """
        if handle.counted(STAGE) >= self.trials:
            one = self.trials == 1
            return (
                "the one trial asked for is done" if one else f"the {self.trials} trials asked for are done"
            )
        if not any(trial.state is TrialState.COMPLETE for trial in ended):
            return None  # a search without any result yet still measures one trial
        if self.until is not None:
            typical = typical_seconds(ended)
            needed = typical + needed_after_trials(handle, typical, self.seconds)
            if (self.until - datetime.now(UTC)).total_seconds() < needed:
                return TIME_IS_UP
        since = trials_since_better(handle.goals, ended)
        if self.plateau is not None and since >= self.plateau:
            return f"none of the last {since} trials was better"
        return None

    def keep(self, handle: StudyHandle) -> None:
        """Store the rule for all workers; another sitting may set another one."""
        until = None if self.until is None else self.until.isoformat()
        payload = {
            "trials": self.trials,
            "until": until,
            "plateau": self.plateau,
            "shared": self.shared,
            "seconds": self.seconds,
        }
        handle.record_stage(GOAL, payload)

    @classmethod
    def read(cls, handle: StudyHandle) -> StoppingRule:
        """Return the rule kept with a study."""
        kept = handle.stage(GOAL) or {"trials": 0, "until": None}
        until = None if kept["until"] is None else datetime.fromisoformat(kept["until"])
        return cls(
            kept["trials"], until, kept.get("plateau"), kept.get("shared", True), kept.get("seconds", 0.0)
        )
