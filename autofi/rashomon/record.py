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

#: What the set is kept under.
STAGE = "rashomon"


def explore(
    handle: StudyHandle, bench: Workbench, settings: ExploringSettings, progress: Progress
) -> RashomonSet:
    """Score the models of a study, and those masked around its winner; the set is recorded as the stage "rashomon".

    Nothing reads test rows. See `explore_models` for what it costs, beside training again what kept no weights. Parts
    are kept in the study as they are finished: the same exploration goes on where an earlier one stopped, as long as
    the study has the same models and this is the same version. When the set is recorded they are removed.
    """
    chosen = choose_models(handle, bench, eps=settings.eps, trainings=settings.trainings)
    parts = StudyParts(handle, _question(handle, settings, chosen))
    if parts:
        progress.note(f"Goes on where an earlier exploration stopped: {len(parts)} of its parts are kept.")
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
    """All that parts depend on."""
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
    """The set that was recorded last; None where none was."""
    kept = handle.stage(STAGE)
    return None if kept is None else RashomonSet.from_json(kept)
