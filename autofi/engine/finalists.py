"""Finals: the leaders and their equals are trained with more seeds and judged by their mean.

See `autofi.records.best_trial`.
"""

from __future__ import annotations

import time

from autofi.core.progress import Progress, watch
from autofi.evaluation.parallel import Training, train_each
from autofi.evaluation.part_metrics import part_metrics
from autofi.evaluation.workbench import Workbench
from autofi.records.best_trial import finalists
from autofi.records.models import record_training, recorded
from autofi.space.architecture import Architecture
from autofi.store import ModelRole, StudyHandle

#: The trainings that a finalist is judged by, including its trial.
SEEDS = 3


def run_finals(
    handle: StudyHandle, bench: Workbench, *, seed: int, deadline: float | None, progress: Progress
) -> None:
    """Train every finalist with SEEDS - 1 further seeds that are not recorded yet; test rows are not read.

    Among architectures that differ by less than chance, a small validation part picks the one with the luckiest seed.
    Nothing is trained if one trial leads and has no equal, nor after `deadline`.
    """
    found = finalists(handle)
    if len(found) < 2:
        return
    progress.phase("train finalists with more seeds", total=len(found) * (SEEDS - 1))
    known = {
        trial.number: recorded(handle, ModelRole.FINALIST, "finalist", trial.architecture_id, refit=False)
        for trial in found
    }
    # Train seed by seed, so that after a deadline all finalists have the same seeds as far as possible.
    tasks = [
        Training(Architecture.from_json(trial.architecture), seed + number)
        for number in range(1, SEEDS)
        for trial in found
        if seed + number not in known[trial.number]
    ]
    progress.advance(len(found) * (SEEDS - 1) - len(tasks))

    def go_on() -> bool:
        return deadline is None or time.monotonic() < deadline

    for _, measured in train_each(bench, tasks, on_evaluation=watch(progress), go_on=go_on):
        record_training(
            handle,
            measured,
            part_metrics(bench, measured.predictions),
            role=ModelRole.FINALIST,
            name="finalist",
        )
        progress.advance()
