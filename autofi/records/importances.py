"""The permutation importances of trained models, as a study keeps them."""

from __future__ import annotations

from collections.abc import Sequence

from autofi.bundle.bundle import load_bundle
from autofi.core.progress import Progress
from autofi.core.time_budget import UNLIMITED, OutOfTime, TimeBudget
from autofi.errors import DataError
from autofi.evaluation.workbench import Workbench
from autofi.importance.permutation_importance import PermutationImportance, permutation_importance
from autofi.records.predictions import model_key
from autofi.store import ModelRecord, StudyHandle

#: The prefix, before the key of a model, of the stage that keeps them.
IMPORTANCES = "importances"


def record_importances(
    handle: StudyHandle,
    bench: Workbench,
    models: Sequence[ModelRecord],
    progress: Progress,
    budget: TimeBudget = UNLIMITED,
) -> None:
    """Measure the first of `models` on validation rows, unless the study has that already; test rows are not read.

    If its bundle is gone, validation rows tell nothing or the time is short, there is a note and nothing is kept.
    """
    model = next(iter(models), None)
    if model is None or handle.stage(f"{IMPORTANCES}/{model_key(model)}") is not None:
        return
    if model.path is None or not model.path.exists():
        progress.note(f"No importances of fields: the bundle of the model is not at '{model.path}'.")
        return
    progress.phase("importances")
    bundle = load_bundle(model.path)
    try:
        found = permutation_importance(
            bundle.network,
            bundle.builder,
            bench.dataset.rows("valid"),
            pairs=bundle.architecture.pairs,
            seed=bench.seed,
            seen=model.refit,
            budget=budget,
        )
    except OutOfTime:
        budget.leave_out("importances of fields")
        return
    except DataError as error:
        progress.note(f"No importances of fields: {error}")
        return
    handle.record_stage(f"{IMPORTANCES}/{model_key(model)}", found.to_json())


def load_importances(handle: StudyHandle, model: ModelRecord) -> PermutationImportance | None:
    """Return the importances of a recorded model; None for other seeds and for versions without importances."""
    kept = handle.stage(f"{IMPORTANCES}/{model_key(model)}")
    return None if kept is None else PermutationImportance.from_json(kept)
