"""The Rashomon set of a study: its models within a share of the best, scored on its validation rows."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from autofi import __version__
from autofi.core.progress import Progress
from autofi.evaluation.workbench import Workbench
from autofi.rashomon.explore import ExploringSettings, explore_models
from autofi.rashomon.finished_parts import StudyParts
from autofi.rashomon.good_models import Chosen, choose_models, open_models
from autofi.rashomon.result import RashomonSet
from autofi.store import StudyHandle

#: The stage that keeps the set.
STAGE = "rashomon"


def explore(
    handle: StudyHandle, bench: Workbench, settings: ExploringSettings, progress: Progress
) -> RashomonSet:
    """Score the models of a study, and those masked around its winner, and record the set as the stage "rashomon".

    No test rows are read. `explore_models` tells the cost, besides training models without weights again. Parts are
    stored as they are finished: the same exploration continues where an earlier one stopped, as long as the study has
    the same models and the version is the same. When the set is recorded they are removed.
    """
    chosen = choose_models(handle, bench, eps=settings.eps, trainings=settings.trainings)
    parts = StudyParts(handle, _question(handle, settings, chosen))
    if parts:
        progress.note(
            f"The exploration continues where an earlier one stopped, with {len(parts)} finished parts."
        )
    found = explore_models(
        open_models(chosen.models, bench, parts.folder),
        bench.dataset.rows("valid"),
        settings,
        best=chosen.best,
        progress=progress,
        total=len(chosen.models),
        left_out=chosen.left_out,
        parts=parts,
    )
    kept = found.to_json()
    handle.record_stage(STAGE, kept)
    parts.forget()
    return RashomonSet.from_json(kept)


def _question(handle: StudyHandle, settings: ExploringSettings, chosen: Chosen) -> dict[str, Any]:
    """Return all that the parts depend on."""
    models = [
        [model.name, model.kind, model.architecture.id, model.seed, model.loss, model.path is None]
        for model in chosen.models
    ]
    return {
        "settings": asdict(settings),
        "data": handle.record.data_fingerprint,
        "models": models,
        "best": chosen.best,
        "version": __version__,
    }


def recorded_set(handle: StudyHandle) -> RashomonSet | None:
    """Return the set that was recorded last; None if there is none."""
    kept = handle.stage(STAGE)
    return None if kept is None else RashomonSet.from_json(kept)
