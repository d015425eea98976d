"""The winner of a study: its trial, the origin of the choice, and how much had been read of test rows before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from autofi.records.best_trial import Decision, complete_trials
from autofi.records.winner_reasons import why_not
from autofi.store import ModelRecord, ModelRole, StudyHandle, TrialRecord
from autofi.store.winner_record import WINNER

#: The stage of the choice, before its test rows are read; WINNER is the stage of the retrained and compared winner.
CHOICE = "choice"
#: The origin of the choice: the rule of `autofi.records.best_trial.decide`, or a person who named the trial's number.
RULE, HAND = "rule", "hand"


@dataclass(frozen=True)
class Choice:
    """The winner of a study.

    Attributes:
        by: RULE or HAND; None in a study of a version that did not keep it.
        read: Trained models whose test metrics had been read before it was chosen.
        decision: The evidence of the rule, if it chose.
    """

    trial: int
    architecture_id: str
    by: str | None
    read: int
    decision: Decision | None = None

    def told(self) -> dict[str, Any]:
        """Return the entries for summaries and bundles."""
        return {"trial": self.trial, "by": self.by, "test_read_before": self.read}

    def to_json(self) -> dict[str, Any]:
        decision = None if self.decision is None else self.decision.to_json()
        return self.told() | {"architecture_id": self.architecture_id, "decision": decision}


def choose(handle: StudyHandle, trial: TrialRecord, *, by: str, decision: Decision | None = None) -> Choice:
    """Record the trial that wins, before anything reads its test rows.

    Choosing the present winner again keeps the first record of how much was known when it was chosen.
    """
    before = chosen(handle)
    if before is not None and before.architecture_id == trial.architecture_id:
        found = Choice(
            trial.number, trial.architecture_id, before.by, before.read, decision or before.decision
        )
    else:
        read = sum(bool(model.metrics.get("test")) for model in handle.models())
        found = Choice(trial.number, trial.architecture_id, by, read, decision)
    keep(handle, found)
    return found


def keep(handle: StudyHandle, choice: Choice) -> None:
    """Record a choice as the last one."""
    handle.record_stage(CHOICE, choice.to_json())


def crown(handle: StudyHandle, choice: Choice, *, refit: bool) -> None:
    """Record that the winner is trained, with the reasons, for lists of studies that read no trial."""
    trials = complete_trials(handle)
    reasons = why_not(handle.goals, trials, handle.trial(choice.trial), choice.by, choice.decision)
    feasible = [trial.value for trial in trials if trial.feasible and trial.value is not None]
    best = min(feasible, key=handle.goals.objectives[0].loss, default=None)
    handle.record_stage(WINNER, {**choice.to_json(), "refit": refit, "reasons": reasons, "best": best})


def chosen(handle: StudyHandle) -> Choice | None:
    """Return the winner that was chosen last; None before there is one."""
    return _read(handle, handle.stage(CHOICE) or handle.stage(WINNER))


def crowned(handle: StudyHandle) -> Choice | None:
    """Return the winner that is trained; None before there is one."""
    return _read(handle, handle.stage(WINNER))


def _read(handle: StudyHandle, kept: Mapping[str, Any] | None) -> Choice | None:
    if not kept or "trial" not in kept:
        return None
    architecture_id = str(kept["architecture_id"])
    read = kept.get("test_read_before")
    decision = kept.get("decision")
    return Choice(
        trial=int(kept["trial"]),
        architecture_id=architecture_id,
        by=kept.get("by"),
        read=_read_before(handle.models(), architecture_id) if read is None else int(read),
        decision=Decision.from_json(decision) if decision else None,
    )


def _read_before(models: Iterable[ModelRecord], architecture_id: str) -> int:
    """Return how many models of other architectures had test metrics before the first of this winner.

    It is for a study of an earlier version, which did not count them.
    """
    tested = [model for model in models if model.metrics.get("test")]
    own = [
        model.created_at
        for model in tested
        if model.role is ModelRole.WINNER and model.architecture_id == architecture_id
    ]
    others = (model.created_at for model in tested if model.architecture_id != architecture_id)
    return sum(moment < min(own) for moment in others) if own else 0
