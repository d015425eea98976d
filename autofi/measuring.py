"""Trials of a study: propose, take, measure, record; what the leader of a search and every worker run alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from optuna.distributions import BaseDistribution

from autofi.candidates import Candidates
from autofi.dashboard.decorations import (
    attach_files,
    beside_the_search,
    draw_study,
    is_drawn_after,
    note_trial,
)
from autofi.engine.base import Known
from autofi.evaluation.from_scratch import Measured, Workbench
from autofi.evaluation.side_by_side import Training, at_once, try_each
from autofi.predictions import save_predictions, trial_key
from autofi.progress import Progress
from autofi.retrain import watch
from autofi.space.architecture import Architecture
from autofi.space.search_space import SearchSpace
from autofi.store import StudyHandle, TrialRecord, TrialState
from autofi.supernet.proposal import Proposal
from autofi.trial_figures import auc_to_beat, best_value, validation_figures

STAGE = "search"
#: Stages that are no trials: what was proposed, and what the leader asks of all workers.
PROPOSAL = "proposal"
GOAL = "goal"
#: Seconds between looks at what others do, once there is nothing left to take.
POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Goal:
    """How far a search goes; kept with the study, so that workers elsewhere know.

    trials   architectures in all, over all sittings and workers
    until    when no further trial begins; None: no such time
    shared   whether workers propose as the leader does; what a tuner of NNI proposes, the leader alone is told
    """

    trials: int
    until: datetime | None = None
    shared: bool = True

    @classmethod
    def within(cls, trials: int, seconds: float | None, *, shared: bool = True) -> Goal:
        """With an end so many seconds from now."""
        until = None if seconds is None else datetime.now(UTC) + timedelta(seconds=seconds)
        return cls(trials, until, shared)

    @property
    def is_over(self) -> bool:
        """Whether the time is up."""
        return self.until is not None and datetime.now(UTC) >= self.until

    def keep(self, handle: StudyHandle) -> None:
        """For all workers; another sitting may set another one."""
        until = None if self.until is None else self.until.isoformat()
        handle.record_stage(GOAL, {"trials": self.trials, "until": until, "shared": self.shared})

    @classmethod
    def read(cls, handle: StudyHandle) -> Goal:
        """The goal kept with a study."""
        kept = handle.stage(GOAL) or {"trials": 0, "until": None}
        until = None if kept["until"] is None else datetime.fromisoformat(kept["until"])
        return cls(kept["trials"], until, kept.get("shared", True))


class Proposer(Protocol):
    """Who says what is measured next; `Candidates`, or a tuner of NNI around them."""

    @property
    def distributions(self) -> Mapping[str, BaseDistribution]: ...

    def several(
        self, known: Sequence[Known], seen: set[str], *, most: int, seed: int
    ) -> list[tuple[dict[str, Any], Architecture]]: ...


def prepare(
    handle: StudyHandle,
    bench: Workbench,
    space: SearchSpace,
    proposal: Proposal,
    *,
    sampler: str,
    progress: Progress,
) -> Candidates:
    """The candidates around a proposal, with everything fitted that they read."""
    names = bench.names
    pairs = {**proposal.likely, **proposal.pairs, **proposal.rates}
    candidates = Candidates(space, proposal, sampler=sampler, directions=handle.goals.directions)
    boosting = candidates.architecture(candidates.defaults).boosting
    progress.phase("fit crosses and boosted trees" if boosting else "fit crosses")
    bench.prepare([(names.index(left), names.index(right)) for left, right in pairs], boosting)
    return candidates


def measure_trials(
    handle: StudyHandle,
    bench: Workbench,
    candidates: Proposer,
    *,
    seed: int,
    progress: Progress,
    check: Callable[[], None] = lambda: None,
    limit: int | None = None,
) -> int:
    """Measure trials until the study's goal is reached and no other worker is busy with it; how many were taken here.

    `check` is called between trials; with `limit` this worker takes no more than so many trials.
    """
    goal = Goal.read(handle)
    progress.phase("train candidates from scratch", total=goal.trials)
    shown = taken = 0
    while True:
        check()
        handle.reap()
        goal, measured = Goal.read(handle), measured_trials(handle)
        if measured:
            if len(measured) > shown and is_drawn_after(len(measured)):
                with beside_the_search(progress):
                    draw_study(handle)
            progress.advance(len(measured) - shown, best=best_value(handle.goals, measured))
            shown = len(measured)
        if limit is not None and taken >= limit:
            return taken
        opened = _take(handle, bench, candidates, goal, measured, seed=seed)
        if opened:
            taken += len(opened)
            _measure(handle, bench, opened, measured, progress)
        elif handle.pending(STAGE):
            # Others are at work: what they leave behind if they die is taken over here.
            time.sleep(POLL_SECONDS)
        else:
            if opened is None:
                progress.note("Every architecture of the space is measured.")
            return taken


def measured_trials(handle: StudyHandle) -> list[TrialRecord]:
    """The complete trials of the search, by number: what is proposed next must not depend on which was faster."""
    return [trial for trial in handle.trials() if trial.stage == STAGE and trial.state is TrialState.COMPLETE]


def _take(
    handle: StudyHandle,
    bench: Workbench,
    candidates: Proposer,
    goal: Goal,
    measured: Sequence[TrialRecord],
    *,
    seed: int,
) -> list[TrialRecord] | None:
    """Trials to measure at once, taken from nobody else; none where the goal is reached, None where nothing is left.

    A trial that a dead worker left comes first, as it was.
    """
    lost = handle.take_over(STAGE)
    if lost is not None:
        return [lost]
    known = [
        Known(trial.params, tuple(trial.values.values()), tuple(trial.violations.values()))
        for trial in measured
    ]
    # A search that has nothing to show yet measures one all the same.
    while (room := goal.trials - handle.counted(STAGE)) > 0 and (not goal.is_over or not measured):
        found = candidates.several(known, set(handle.taken(STAGE)), most=min(at_once(bench), room), seed=seed)
        if not found:
            return None
        numbers = [
            handle.start_trial(
                stage=STAGE,
                architecture_id=architecture.id,
                architecture=architecture.to_json(),
                seed=seed,
                params=parameters,
                distributions=candidates.distributions,
                attrs={
                    "describe": architecture.describe(),
                    "data_fingerprint": handle.record.data_fingerprint,
                    "versions": dict(handle.record.versions),
                },
                most=goal.trials,
            )
            for parameters, architecture in found
        ]
        opened = [handle.trial(number) for number in numbers if number is not None]
        if opened:
            return opened
    return []


def _measure(
    handle: StudyHandle,
    bench: Workbench,
    trials: Sequence[TrialRecord],
    measured: Sequence[TrialRecord],
    progress: Progress,
) -> None:
    """Train the architectures of open trials and record what they came to."""
    to_beat, latency = auc_to_beat(handle.goals, measured), "latency" in handle.goals.measured
    tasks = [
        Training(Architecture.from_json(trial.architecture), trial.seed, to_beat, latency) for trial in trials
    ]
    numbers = dict(enumerate(trial.number for trial in trials))
    try:
        for task, outcome in try_each(bench, tasks, on_evaluation=watch(progress)):
            number = numbers.pop(task)
            if isinstance(outcome, Exception):
                # A candidate that diverges or does not fit in memory is a finding, not the end of the search.
                handle.fail_trial(number, outcome)
                with beside_the_search(progress):
                    note_trial(handle, number)
                progress.note(f"Trial {number} failed: {outcome}")
            else:
                _finish(handle, bench, number, outcome, progress)
    except BaseException as error:
        for number in numbers.values():
            handle.give_up_trial(number, error)
        raise


def _finish(
    handle: StudyHandle, bench: Workbench, number: int, measured: Measured, progress: Progress
) -> None:
    report, costs, goals = measured.report, measured.costs.figures(), handle.goals
    valid = validation_figures(goals, bench, measured)
    violations = goals.violations(valid | costs)
    save_predictions(handle, trial_key(number), measured.predictions)
    with beside_the_search(progress):
        attach_files(handle, number, measured.architecture)
    handle.finish_trial(
        number,
        goals.values(valid | costs),
        attrs={
            "valid": valid,
            "table_rows": measured.table_rows,
            **costs,
            "own_auc": report.own_auc,
            "boosted_share": report.boosted_share,
            "seconds": report.seconds,
            "evaluations": report.evaluations,
            "best_evaluation": report.best_evaluation,
        },
        violations=violations,
    )
    with beside_the_search(progress):
        note_trial(handle, number)
    progress.note(
        f"Trial {number}: valid AUC {report.auc:.5f}, {report.seconds:.1f} s, {measured.architecture.describe()}"
        + "".join(f"; {missed}" for missed in goals.missed(violations))
    )
