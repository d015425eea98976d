"""Measurement of open trials: rung by rung if there are several, then recorded with their results."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from autofi.core.option_names import Fidelity
from autofi.core.progress import watch
from autofi.engine.observer import Observed, SearchObserver
from autofi.engine.stopping import StoppingRule
from autofi.evaluation.parallel import Training, try_each
from autofi.evaluation.workbench import Measurement, Workbench
from autofi.records.best_so_far import keep_best_so_far
from autofi.records.kept_networks import keep_leader
from autofi.records.predictions import save_predictions, share_predictions, trial_key
from autofi.records.trial_metrics import auc_to_beat, rung_history, validation_figures
from autofi.samplers.successive_halving import FACTOR, first_rung, rungs_of, should_continue
from autofi.space.architecture import Architecture
from autofi.store import StudyHandle, TrialRecord, TrialState
from autofi.store.stage_keys import STAGE

#: With a limit of time, a training that is behind ends after so many times the seconds of the best one, or after this
#: share of the time that is left if that is more.
BEHIND_SECONDS, BEHIND_SHARE = 3.0, 1 / 8


@dataclass(frozen=True)
class RunningTrial:
    """A RUNNING trial of this process; a `start` of the space needs no results of other trials."""

    number: int
    architecture: Architecture
    seed: int
    start: bool = False


def measure(
    handle: StudyHandle,
    bench: Workbench,
    trials: Sequence[RunningTrial],
    measured: Sequence[TrialRecord],
    fidelity: Fidelity,
    observed: Observed,
) -> None:
    """Train the architectures of open trials, rung by rung, and record the results.

    Args:
        measured: The complete trials, which set the bar for a training on all rows.
    """
    progress = observed.progress
    to_beat, latency = auc_to_beat(handle.goals, measured), "latency" in handle.goals.measured
    most_seconds = math.inf if to_beat is None else _most_seconds(handle, measured)
    # Starts have to beat the model before the proposal alone: which of them ended before is a matter of the cores.
    first_model = auc_to_beat(handle.goals, [trial for trial in measured if not trial.params])
    first = {trial.number: first_rung(fidelity, trial.number, study=handle.name) for trial in trials}
    climbing = {trial.number: trial for trial in trials}
    shares = rungs_of(fidelity)
    try:
        for rung, share in enumerate(shares):
            last = rung == len(shares) - 1
            there = [trial for trial in climbing.values() if first[trial.number] <= rung]
            tasks = [
                Training(
                    trial.architecture,
                    trial.seed,
                    (first_model if trial.start else to_beat) if last else None,
                    most_seconds=most_seconds if last else math.inf,
                    latency=latency,
                    share=share,
                    with_network=last,
                )
                for trial in there
            ]
            for task, outcome in try_each(bench, tasks, on_evaluation=watch(progress)):
                number = there[task].number
                if isinstance(outcome, Exception):
                    # A candidate that diverges or does not fit in memory is a result, not the end of the search.
                    handle.fail_trial(number, outcome)
                    observed.tell(SearchObserver.trial_ended, handle, number)
                    progress.note(f"Trial {number} failed: {outcome}")
                elif last:
                    _finish(handle, bench, number, outcome, observed)
                elif _advance_rung(handle, bench, number, outcome, rung, fidelity, observed):
                    continue
                del climbing[number]
    except BaseException as error:
        # A trial may have been recorded already, and be interrupted while its network is kept.
        running = {trial.number for trial in handle.trials() if trial.state is TrialState.RUNNING}
        for number in sorted(climbing.keys() & running):
            handle.give_up_trial(number, error)
        raise


def _most_seconds(handle: StudyHandle, measured: Sequence[TrialRecord]) -> float:
    """Return the most seconds of a training that is behind: a multiple of those of the best, or much of the time left.

    Without a limit of time there is none, and results do not depend on the speed of the machine.
    """
    rule = StoppingRule.read(handle)
    best = max(
        (trial for trial in measured if trial.feasible), key=lambda trial: trial.value or 0.0, default=None
    )
    if rule.until is None or best is None or not best.seconds:
        return math.inf
    left = (rule.until - datetime.now(UTC)).total_seconds()
    return max(BEHIND_SECONDS * best.seconds, BEHIND_SHARE * left)


def _advance_rung(
    handle: StudyHandle,
    bench: Workbench,
    number: int,
    measured: Measurement,
    rung: int,
    fidelity: Fidelity,
    observed: Observed,
) -> bool:
    """Record a trial's result on a rung, and return True if it goes on to the next rung or False if it stops."""
    goals = handle.goals
    valid = validation_figures(goals, bench, measured)
    handle.report_rung(number, rung, FACTOR**rung, goals.values(valid | measured.costs.figures()))
    climbs = [rung_history(trial) for trial in handle.trials() if trial.stage == STAGE]
    mine = next(climb for climb in climbs if climb.number == number)
    others = [climb for climb in climbs if climb.number != number]
    if should_continue(fidelity, mine, others, directions=goals.directions, study=handle.name):
        return True
    handle.prune_trial(number, {"seconds": measured.report.seconds})
    observed.tell(SearchObserver.trial_ended, handle, number)
    share = rungs_of(fidelity)[rung]
    observed.progress.note(
        f"Trial {number} stopped after {share:.0%} of the rows: valid AUC {measured.report.auc:.5f}, "
        f"{measured.report.seconds:.1f} s, {measured.delivered.describe()}"
    )
    return False


def _finish(
    handle: StudyHandle, bench: Workbench, number: int, measured: Measurement, observed: Observed
) -> None:
    report, costs, goals = measured.report, measured.costs.figures(), handle.goals
    valid = validation_figures(goals, bench, measured)
    violations = goals.violations(valid | costs)
    save_predictions(handle, trial_key(number), measured.predictions)
    share_predictions(handle, trial_key(number), measured.predictions)
    observed.tell(SearchObserver.trial_measured, handle, number)
    handle.finish_trial(
        number,
        goals.values(valid | costs),
        attrs={
            "valid": valid,
            "table_rows": measured.table_rows,
            **costs,
            # Without this, `table_bytes` is that of an earlier version, which counted only trained tables and trees.
            "fitted_bytes": measured.costs.fitted_bytes,
            "describe": measured.delivered.describe(),
            # None if the architecture has no network.
            "own_auc": None if math.isnan(report.own_auc) else report.own_auc,
            "boosted_share": report.boosted_share,
            "seconds": report.seconds,
            "evaluations": report.evaluations,
            "best_evaluation": report.best_evaluation,
        },
        violations=violations,
    )
    # A process that is killed before this has a complete trial without its network, which may be trained again.
    keep_leader(handle, measured, observed.progress)
    keep_best_so_far(handle, bench, number, measured, observed.progress)
    observed.tell(SearchObserver.trial_ended, handle, number)
    observed.progress.note(
        f"Trial {number}: valid AUC {report.auc:.5f}, {report.seconds:.1f} s, {measured.delivered.describe()}"
        + "".join(f"; {missed}" for missed in goals.missed(violations))
    )
