"""Finals: the leaders and their equals are trained with more seeds and judged by their mean.

See `autofi.records.best_trial`.
"""

from __future__ import annotations

import math

from autofi.core.progress import Progress, watch
from autofi.core.time_budget import TimeBudget
from autofi.evaluation.parallel import Training, at_once, train_each
from autofi.evaluation.part_metrics import part_metrics
from autofi.evaluation.workbench import Workbench
from autofi.records.best_trial import finalists
from autofi.records.kept_networks import keep_network
from autofi.records.models import record_training, recorded
from autofi.records.time_shares import needed_after_winner, typical_seconds
from autofi.records.trees_alone import trees_alone
from autofi.space.architecture import Architecture
from autofi.store import ModelRole, StudyHandle

#: The trainings that a finalist is judged by, including its trial.
SEEDS = 3


def run_finals(
    handle: StudyHandle, bench: Workbench, *, seed: int, budget: TimeBudget, progress: Progress
) -> None:
    """Train every finalist with SEEDS - 1 further seeds that are not recorded yet; test rows are not read.

    Among architectures that differ by less than chance, a small validation part picks the one with the luckiest seed.
    Nothing is trained if one trial leads and has no equal. A seed begins only if the trainings of all finalists with it
    fit in the budget, with the baselines that come later: finalists are judged by seeds that all of them have. Boosted
    trees that predict alone do not depend on the seed of a network, and are not trained again.
    """
    finals = finalists(handle)
    found = [trial for trial in finals if trees_alone(trial) is None]
    if len(finals) < 2 or not found:
        return
    progress.phase("train finalists with more seeds", total=len(found) * (SEEDS - 1))
    known = {
        trial.number: recorded(handle, ModelRole.FINALIST, "finalist", trial.architecture_id, refit=False)
        for trial in found
    }
    wanted = {
        number: [
            Training(Architecture.from_json(trial.architecture), number, with_network=True)
            for trial in found
            if number not in known[trial.number]
        ]
        for number in range(seed + 1, seed + SEEDS)
    }
    progress.advance(len(found) * (SEEDS - 1) - sum(map(len, wanted.values())))
    if budget.seconds is None:
        # No seed waits for those before it.
        wanted = {seed + 1: [task for tasks in wanted.values() for task in tasks]}
    typical = typical_seconds(handle.trials())
    for number, tasks in wanted.items():
        rounds = math.ceil(len(tasks) / at_once(bench))
        if budget.seconds is not None and not budget.fits(
            rounds * typical + needed_after_winner(handle, typical, budget.seconds)
        ):
            budget.leave_out(f"seed {number} of {len(found)} finalists")
            return
        for _, measured in train_each(bench, tasks, on_evaluation=watch(progress)):
            record_training(
                handle,
                measured,
                part_metrics(bench, measured.predictions),
                role=ModelRole.FINALIST,
                name="finalist",
            )
            keep_network(handle, measured, progress)
            progress.advance()
