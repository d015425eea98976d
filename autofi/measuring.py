"""Trials of a study: propose, take, measure, record; what the leader of a search and every worker run alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from optuna.distributions import BaseDistribution

from autofi.candidates.base import Candidates
from autofi.dashboard.decorations import (
    attach_files,
    beside_the_search,
    draw_study,
    is_drawn_after,
    note_trial,
)
from autofi.engine.base import Known
from autofi.engine.pruning import FACTOR, Fidelity, first_rung, goes_on, rungs_of
from autofi.evaluation.from_scratch import Measured, Workbench
from autofi.evaluation.side_by_side import Training, at_once, try_each
from autofi.predictions import save_predictions, trial_key
from autofi.progress import Progress
from autofi.retrain import watch
from autofi.settings import SearchSettings
from autofi.space.architecture import Architecture
from autofi.space.search_space import SearchSpace
from autofi.store import StudyHandle, TrialRecord, TrialState
from autofi.strategies.registry import get_strategy
from autofi.supernet.proposal import Proposal
from autofi.trial_figures import (
    auc_to_beat,
    best_value,
    climb_of,
    last_rung,
    trials_since_better,
    validation_figures,
)

STAGE = "search"
#: Stages that are no trials: what was proposed, and what the leader asks of all workers.
PROPOSAL = "proposal"
GOAL = "goal"
#: Why the search ended.
STOPPED = "stopped"
#: Seconds between looks at what others do, once there is nothing left to take.
POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Goal:
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
    ) -> Goal:
        """With an end so many seconds from now."""
        until = None if seconds is None else datetime.now(UTC) + timedelta(seconds=seconds)
        return cls(trials, until, plateau, shared)

    def reached(self, handle: StudyHandle, ended: Sequence[TrialRecord]) -> str | None:
        """Why no further trial begins; None while one does. `ended` are the trials that were measured or stopped."""
        if handle.counted(STAGE) >= self.trials:
            return f"the {self.trials} trials asked for are done"
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
    def read(cls, handle: StudyHandle) -> Goal:
        """The goal kept with a study."""
        kept = handle.stage(GOAL) or {"trials": 0, "until": None}
        until = None if kept["until"] is None else datetime.fromisoformat(kept["until"])
        return cls(kept["trials"], until, kept.get("plateau"), kept.get("shared", True))


class Proposer(Protocol):
    """Who says what is measured next; `Candidates`, or a tuner of NNI around them."""

    @property
    def distributions(self) -> Mapping[str, BaseDistribution]: ...

    def several(
        self, known: Sequence[Known], seen: set[str], *, most: int, seed: int
    ) -> list[tuple[dict[str, Any], Architecture]]: ...


def prepare(
    handle: StudyHandle, bench: Workbench, space: SearchSpace, proposal: Proposal, *, progress: Progress
) -> Candidates:
    """The candidates that the study's strategy makes of a proposal, with everything fitted that they read."""
    settings = SearchSettings.from_json(handle.record.settings)
    strategy, names = get_strategy(settings.strategy), bench.names
    candidates = strategy.candidates(
        space, proposal, sampler=settings.sampler, directions=handle.goals.directions
    )
    boosting = candidates.architecture(candidates.defaults).boosting
    progress.phase("fit crosses and boosted trees" if boosting else "fit crosses")
    pairs = [(names.index(left), names.index(right)) for left, right in strategy.pairs(proposal)]
    bench.prepare(pairs, boosting)
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
    goal, settings = Goal.read(handle), SearchSettings.from_json(handle.record.settings)
    progress.phase("train candidates from scratch", total=goal.trials)
    shown = taken = 0
    while True:
        check()
        handle.reap()
        goal, ended = Goal.read(handle), ended_trials(handle)
        measured = [trial for trial in ended if trial.state is TrialState.COMPLETE]
        if ended:
            if len(ended) > shown and is_drawn_after(len(ended)):
                with beside_the_search(progress):
                    draw_study(handle)
            progress.advance(len(ended) - shown, best=best_value(handle.goals, measured))
            shown = len(ended)
        if limit is not None and taken >= limit:
            return taken
        reason = goal.reached(handle, ended)
        opened = _take(handle, bench, candidates, goal, ended, seed=seed, further=reason is None)
        if opened:
            taken += len(opened)
            _measure(handle, bench, opened, measured, settings.fidelity, progress)
        elif handle.pending(STAGE):
            # Others are at work: what they leave behind if they die is taken over here.
            time.sleep(POLL_SECONDS)
        else:
            reason = reason or goal.reached(handle, ended) or "every architecture of the space is measured"
            handle.record_stage(STOPPED, {"reason": reason, "trials": len(ended)})
            progress.note(f"The search ends: {reason}.")
            return taken


def ended_trials(handle: StudyHandle) -> list[TrialRecord]:
    """The trials of the search that were measured, or stopped on a rung, by number: what is proposed next must not
    depend on which was faster."""
    ends = (TrialState.COMPLETE, TrialState.PRUNED)
    return [trial for trial in handle.trials() if trial.stage == STAGE and trial.state in ends]


def _take(
    handle: StudyHandle,
    bench: Workbench,
    candidates: Proposer,
    goal: Goal,
    ended: Sequence[TrialRecord],
    *,
    seed: int,
    further: bool,
) -> list[TrialRecord]:
    """Trials to measure at once, taken from nobody else; none where the goal is reached or nothing is left.

    A trial that a dead worker left comes first, as it was, and others only where `further` ones are to begin.
    """
    lost = handle.take_over(STAGE)
    if lost is not None:
        return [lost]
    known = [_known(trial) for trial in ended]
    while further and (room := goal.trials - handle.counted(STAGE)) > 0:
        found = candidates.several(known, set(handle.taken(STAGE)), most=min(at_once(bench), room), seed=seed)
        if not found:
            return []
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


def _known(trial: TrialRecord) -> Known:
    """What samplers are told: of a trial that was stopped, what it came to on its last rung."""
    values = tuple(trial.values.values()) or last_rung(trial)
    return Known(trial.params, values, tuple(trial.violations.values()))


def _measure(
    handle: StudyHandle,
    bench: Workbench,
    trials: Sequence[TrialRecord],
    measured: Sequence[TrialRecord],
    fidelity: Fidelity,
    progress: Progress,
) -> None:
    """Train the architectures of open trials, rung by rung, and record what they came to."""
    to_beat, latency = auc_to_beat(handle.goals, measured), "latency" in handle.goals.measured
    first = {trial.number: first_rung(fidelity, trial.number, study=handle.name) for trial in trials}
    climbing = {trial.number: trial for trial in trials}
    shares = rungs_of(fidelity)
    try:
        for rung, share in enumerate(shares):
            last = rung == len(shares) - 1
            there = [trial for trial in climbing.values() if first[trial.number] <= rung]
            tasks = [
                Training(
                    Architecture.from_json(trial.architecture),
                    trial.seed,
                    to_beat if last else None,
                    latency,
                    share,
                )
                for trial in there
            ]
            for task, outcome in try_each(bench, tasks, on_evaluation=watch(progress)):
                number = there[task].number
                if isinstance(outcome, Exception):
                    # A candidate that diverges or does not fit in memory is a finding, not the end of the search.
                    handle.fail_trial(number, outcome)
                    with beside_the_search(progress):
                        note_trial(handle, number)
                    progress.note(f"Trial {number} failed: {outcome}")
                elif last:
                    _finish(handle, bench, number, outcome, progress)
                elif _climbs(handle, bench, number, outcome, rung, fidelity, progress):
                    continue
                del climbing[number]
    except BaseException as error:
        for number in climbing:
            handle.give_up_trial(number, error)
        raise


def _climbs(
    handle: StudyHandle,
    bench: Workbench,
    number: int,
    measured: Measured,
    rung: int,
    fidelity: Fidelity,
    progress: Progress,
) -> bool:
    """Record what a trial came to on a rung; whether it goes on to the next one, or is stopped here."""
    goals = handle.goals
    valid = validation_figures(goals, bench, measured)
    handle.report_rung(number, rung, FACTOR**rung, goals.values(valid | measured.costs.figures()))
    climbs = [climb_of(trial) for trial in handle.trials() if trial.stage == STAGE]
    mine = next(climb for climb in climbs if climb.number == number)
    others = [climb for climb in climbs if climb.number != number]
    if goes_on(fidelity, mine, others, directions=goals.directions, study=handle.name):
        return True
    handle.prune_trial(number, {"seconds": measured.report.seconds})
    with beside_the_search(progress):
        note_trial(handle, number)
    share = rungs_of(fidelity)[rung]
    progress.note(
        f"Trial {number} stopped after {share:.0%} of the rows: valid AUC {measured.report.auc:.5f}, "
        f"{measured.report.seconds:.1f} s, {measured.architecture.describe()}"
    )
    return False


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
