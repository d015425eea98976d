"""Trials of a study: propose, take, measure and record, alike in the leader of a search and in every worker."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from optuna.distributions import BaseDistribution

from autofi.core.option_names import Fidelity
from autofi.core.progress import Progress
from autofi.core.time_budget import UNLIMITED, TimeBudget
from autofi.data.boosted_trees import FOLDS
from autofi.engine.observer import Observed, SearchObserver
from autofi.engine.run_trial import RunningTrial, measure
from autofi.engine.stopping import TIME_IS_UP, StoppingRule
from autofi.evaluation.parallel import at_once
from autofi.evaluation.workbench import Workbench
from autofi.records.time_shares import needed_after_trials, typical_seconds
from autofi.records.trial_metrics import best_value, last_rung
from autofi.samplers.base import ObservedTrial
from autofi.samplers.successive_halving import rungs_of
from autofi.space.architecture import Architecture
from autofi.space.search_space import SearchSpace
from autofi.store import StudyHandle, TrialRecord, TrialState
from autofi.store.search_settings import SearchSettings
from autofi.store.stage_keys import STAGE, STOPPED, TREES
from autofi.strategies.candidates import Candidates
from autofi.strategies.registry import get_strategy
from autofi.strategies.unselected import BEFORE_PROPOSAL, unselected_starts
from autofi.supernet.proposal import Proposal

#: Seconds between checks of other workers when there is nothing left to take.
POLL_SECONDS = 0.5
#: The trials that a proposal has to leave time for, and the most of what is left of a run's time that it takes.
TRIALS_AFTER_PROPOSAL, PROPOSAL_SHARE = 2, 1 / 2
#: Boosted trees begin if this share of a run's time is left, and take at most that share of it.
TREES_BEGIN, TREES_SHARE = 1 / 2, 1 / 4


class Proposer(Protocol):
    """The source of the next trials: `Candidates`, or a tuner of NNI around them."""

    @property
    def distributions(self) -> Mapping[str, BaseDistribution]: ...

    def parameters_of(self, architecture_id: str) -> dict[str, Any] | None: ...

    def named(self, start: Mapping[str, Any]) -> dict[str, Any] | None: ...

    def suggest_batch(
        self, known: Sequence[ObservedTrial], seen: set[str], *, most: int, starts: int, seed: int
    ) -> list[tuple[dict[str, Any], Architecture]]: ...


def prepare(
    handle: StudyHandle,
    bench: Workbench,
    space: SearchSpace,
    proposal: Proposal,
    *,
    progress: Progress,
    budget: TimeBudget = UNLIMITED,
) -> Candidates:
    """Return the candidates that the study's strategy makes of a proposal, with all their features fitted.

    Boosted trees take a quarter of what is left of the leader's `budget`, and are not begun when half of it is over:
    then there are trees of fewer folds, or none. The number is recorded for the study; see `use_recorded_trees`.
    """
    settings = SearchSettings.from_json(handle.record.settings)
    strategy, names = get_strategy(settings.strategy), bench.names
    candidates = strategy.candidates(
        space, proposal, sampler=settings.sampler, directions=handle.goals.directions
    )
    first = candidates.architecture(candidates.defaults)
    progress.phase("fit crosses and boosted trees" if first.boosting else "fit crosses")
    pairs = [(names.index(left), names.index(right)) for left, right in strategy.pairs(proposal)]
    trees = _tree_budget(handle, bench, first, budget)
    bench.prepare(pairs, first, budget=trees)
    _record_trees(handle, bench)
    return candidates


def use_recorded_trees(handle: StudyHandle, bench: Workbench) -> None:
    """Let a workbench grow boosted trees for as many folds as the study's trials had."""
    bench.tree_folds = (handle.stage(TREES) or {}).get("folds", FOLDS)


def _tree_budget(
    handle: StudyHandle, bench: Workbench, architecture: Architecture, budget: TimeBudget
) -> TimeBudget:
    """Return the time for boosted trees; without a limit where the study has trees already."""
    use_recorded_trees(handle, bench)
    if handle.stage(TREES) is not None or handle.counted(STAGE) or budget.seconds is None:
        return UNLIMITED
    if architecture.boosting and not budget.fits(budget.seconds * TREES_BEGIN):
        budget.leave_out("boosted trees")
        bench.tree_folds = 0
    return budget.share(TREES_SHARE)


def _record_trees(handle: StudyHandle, bench: Workbench) -> None:
    if handle.is_claimed() and handle.stage(TREES) is None:
        handle.record_stage(TREES, {"folds": bench.tree_folds})


def measure_unselected(
    handle: StudyHandle,
    bench: Workbench,
    space: SearchSpace,
    *,
    seed: int,
    observed: Observed,
    budget: TimeBudget = UNLIMITED,
) -> None:
    """Measure the first starts that need no proposal, if the study's strategy has any.

    They are BEFORE_PROPOSAL at most, and leave two trials to the proposal. Boosted trees keep within the budget as in
    `prepare`.
    """
    settings, goal = SearchSettings.from_json(handle.record.settings), StoppingRule.read(handle)
    proposal = get_strategy(settings.strategy).unselected(bench.dataset, space)
    starts = [] if proposal is None else unselected_starts(space, proposal)
    most = max(1, min(BEFORE_PROPOSAL, goal.trials - TRIALS_AFTER_PROPOSAL))
    # The first one sets the bar for the others, which may then be trained at once, unless time may end before.
    at_once = 1 if goal.until is not None else most
    rest = [starts[place : place + at_once] for place in range(1, min(most, len(starts)), at_once)]
    for number, chosen in enumerate((starts[:1], *rest)):
        ended = ended_trials(handle)
        if not chosen or handle.counted(STAGE) >= most or goal.reached(handle, ended):
            return
        observed.progress.phase("train first models")
        if number == 0:
            architecture = chosen[0][1]
            trees = _tree_budget(handle, bench, architecture, budget)
            bench.with_boosted(architecture, *bench.features(architecture), trees)
            _record_trees(handle, bench)
        opened = [
            replace(trial, start=True)
            for parameters, architecture in chosen
            for trial in [_start(handle, architecture, {}, {}, seed=seed, most=most, named=parameters)]
            if trial is not None
        ]
        measured = [trial for trial in ended if trial.state is TrialState.COMPLETE]
        measure(handle, bench, opened, measured, settings.fidelity, observed)


def worth_a_proposal(handle: StudyHandle, bench: Workbench, space: SearchSpace, budget: TimeBudget) -> bool:
    """Return True if a proposal and two trials after it fit in the time, or nothing can stand in for it."""
    strategy = get_strategy(SearchSettings.from_json(handle.record.settings).strategy)
    ended = [trial for trial in ended_trials(handle) if trial.seconds and trial.attrs.get("evaluations")]
    if budget.seconds is None or not ended or strategy.unselected(bench.dataset, space) is None:
        return True
    typical = typical_seconds(ended)
    epoch = statistics.median((trial.seconds or 0.0) / trial.attrs["evaluations"] for trial in ended)
    needed = strategy.seconds(bench.dataset, space, epoch=epoch)
    after = TRIALS_AFTER_PROPOSAL * typical + needed_after_trials(handle, typical, budget.seconds)
    return budget.fits(max(needed + after, needed / PROPOSAL_SHARE))


def ended_before_proposal(handle: StudyHandle, budget: TimeBudget) -> bool:
    """Return True, and record the reason, if first models are trained and no other trial fits in the time."""
    ended = ended_trials(handle)
    if StoppingRule.read(handle).reached(handle, ended) != TIME_IS_UP:
        return False
    budget.leave_out("the proposal and all trials after it")
    handle.record_stage(STOPPED, {"reason": TIME_IS_UP, "trials": len(ended)})
    return True


def measure_trials(
    handle: StudyHandle,
    bench: Workbench,
    candidates: Proposer,
    *,
    seed: int,
    observed: Observed,
    check: Callable[[], None] = lambda: None,
    limit: int | None = None,
) -> int:
    """Measure trials until the rule is reached and no other worker is busy, and return how many were taken here.

    Args:
        check: Called between trials.
        limit: The most trials that this worker takes.
    """
    goal, settings = StoppingRule.read(handle), SearchSettings.from_json(handle.record.settings)
    progress = observed.progress
    progress.phase("train candidates from scratch", total=goal.trials)
    shown = taken = 0
    while True:
        check()
        handle.reap()
        goal, ended = StoppingRule.read(handle), ended_trials(handle)
        measured = [trial for trial in ended if trial.state is TrialState.COMPLETE]
        if ended:
            if len(ended) > shown:
                observed.tell(SearchObserver.trials_counted, handle, len(ended))
            progress.advance(len(ended) - shown, best=best_value(handle.goals, measured))
            shown = len(ended)
        if limit is not None and taken >= limit:
            return taken
        reason = goal.reached(handle, ended)
        opened = _take(
            handle,
            bench,
            candidates,
            goal,
            ended,
            starts=_starts_at_once(bench, goal, settings.fidelity),
            seed=seed,
            further=reason is None,
        )
        if opened:
            taken += len(opened)
            measure(handle, bench, opened, measured, settings.fidelity, observed)
        elif handle.pending(STAGE):
            # Other workers are busy: if they die, their trials are taken over here.
            time.sleep(POLL_SECONDS)
        else:
            reason = reason or goal.reached(handle, ended) or "every architecture of the space is measured"
            handle.record_stage(STOPPED, {"reason": reason, "trials": len(ended)})
            progress.note(f"The search ends: {reason}.")
            return taken


def _starts_at_once(bench: Workbench, goal: StoppingRule, fidelity: Fidelity) -> int:
    """Return how many starts are taken at once: all where trainings run at once and nothing depends on their order."""
    jobs = at_once(bench)
    ordered = goal.until is not None or goal.plateau is not None or len(rungs_of(fidelity)) > 1
    return bench.proposals if ordered or jobs == 1 else max(goal.trials, bench.proposals)


def ended_trials(handle: StudyHandle) -> list[TrialRecord]:
    """Return the trials of the search that were measured, or stopped on a rung, by number.

    The order is by number because the next proposal must not depend on which was faster.
    """
    ends = (TrialState.COMPLETE, TrialState.PRUNED)
    return [trial for trial in handle.trials() if trial.stage == STAGE and trial.state in ends]


def _take(
    handle: StudyHandle,
    bench: Workbench,
    candidates: Proposer,
    goal: StoppingRule,
    ended: Sequence[TrialRecord],
    *,
    starts: int,
    seed: int,
    further: bool,
) -> list[RunningTrial]:
    """Take trials to measure at once, owned by nobody else; none if the rule is reached or nothing is left.

    A trial that a dead worker left comes first, unchanged, and others only if `further` ones are to begin.
    """
    lost = handle.take_over(STAGE)
    if lost is not None:
        architecture = Architecture.from_json(lost.architecture)
        return [RunningTrial(lost.number, architecture, lost.seed, _is_start(architecture, candidates))]
    # Passing over starts depends on their order, and so on the number of cores: it is for searches that depend on time.
    hurried = goal.until is not None
    known = [seen for trial in ended if (seen := _known(trial, candidates, hurried=hurried)) is not None]
    while further and (room := goal.trials - handle.counted(STAGE)) > 0:
        found = candidates.suggest_batch(
            known,
            set(handle.taken(STAGE)),
            most=min(bench.proposals, room),
            starts=min(starts, room),
            seed=seed,
        )
        if not found:
            return []
        started = [
            _start(handle, architecture, parameters, candidates.distributions, seed=seed, most=goal.trials)
            for parameters, architecture in found
        ]
        opened = [
            replace(trial, start=_is_start(trial.architecture, candidates))
            for trial in started
            if trial is not None
        ]
        if opened:
            return opened
    return []


def _is_start(architecture: Architecture, candidates: Proposer) -> bool:
    return candidates.parameters_of(architecture.id) is not None


def _start(
    handle: StudyHandle,
    architecture: Architecture,
    parameters: Mapping[str, Any],
    distributions: Mapping[str, BaseDistribution],
    *,
    seed: int,
    most: int | None,
    named: Mapping[str, Any] | None = None,
) -> RunningTrial | None:
    """Record a running trial; None if another process has the architecture, or there are `most` trials.

    Before a proposal there are no distributions; the point is then kept by the `named` variants of a start.
    """
    number = handle.start_trial(
        stage=STAGE,
        architecture_id=architecture.id,
        architecture=architecture.to_json(),
        seed=seed,
        params=parameters,
        distributions=distributions,
        attrs={
            "describe": architecture.describe(),
            "data_fingerprint": handle.record.data_fingerprint,
            "versions": dict(handle.record.versions),
        }
        | ({} if named is None else {"start": dict(named)}),
        most=most,
    )
    return None if number is None else RunningTrial(number, architecture, seed)


def _known(trial: TrialRecord, candidates: Proposer, *, hurried: bool = False) -> ObservedTrial | None:
    """Return a trial for samplers: for one that was stopped, its result on its last rung.

    A trial before the proposal has no parameters of its own, but those of its start; None if it has none, as those of
    earlier versions, and no start has its architecture.
    """
    parameters = trial.params or candidates.parameters_of(trial.architecture_id)
    if parameters is None and "start" in trial.attrs:
        parameters = candidates.named(trial.attrs["start"])
    if parameters is None:
        return None
    values = tuple(trial.values.values()) or last_rung(trial)
    superfluous = hurried and trial.attrs.get("boosted_share") == 1
    return ObservedTrial(parameters, values, tuple(trial.violations.values()), superfluous)
