"""The Rashomon set of a study: its models within a share of the best, scored on its validation rows."""

from __future__ import annotations

from autofi.evaluation.from_scratch import Workbench
from autofi.progress import Progress
from autofi.rashomon.exploring import ExploringSettings, explore_models
from autofi.rashomon.models import choose_models, open_models
from autofi.rashomon.result import RashomonSet
from autofi.store import StudyHandle

#: What the set is kept under.
STAGE = "rashomon"


def explore(
    handle: StudyHandle, bench: Workbench, settings: ExploringSettings, progress: Progress
) -> RashomonSet:
    """Score the models of a study, and those masked around its winner; the set is recorded as the stage "rashomon".

    Nothing reads test rows. See `explore_models` for what it costs, beside training again what kept no weights.
    """
    chosen = choose_models(handle, bench, eps=settings.eps, trainings=settings.trainings)
    found = explore_models(
        open_models(chosen.models, bench),
        bench.dataset.rows("valid"),
        settings,
        best=chosen.best,
        progress=progress,
        total=len(chosen.models),
        left_out=chosen.left_out,
    )
    kept = found.to_json()
    handle.record_stage(STAGE, kept)
    return RashomonSet.from_json(kept)


def recorded_set(handle: StudyHandle) -> RashomonSet | None:
    """The set that was recorded last; None where none was."""
    kept = handle.stage(STAGE)
    return None if kept is None else RashomonSet.from_json(kept)
