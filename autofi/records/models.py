"""Trained models of a study."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autofi.evaluation.workbench import Measurement
from autofi.store import ModelRecord, ModelRole, StudyHandle


def record_training(
    handle: StudyHandle,
    measured: Measurement,
    metrics: Mapping[str, Any],
    *,
    role: ModelRole,
    name: str,
    refit: bool = False,
    path: Path | None = None,
) -> None:
    """Record the result of a training, with `metrics` from `part_metrics`."""
    handle.record_model(
        role=role,
        name=name,
        seed=measured.seed,
        metrics=metrics,
        architecture_id=measured.architecture.id,
        refit=refit,
        parameters=measured.costs.parameters,
        table_bytes=measured.costs.table_bytes,
        seconds=measured.report.seconds,
        path=path,
    )


def recorded(
    handle: StudyHandle, role: ModelRole, name: str, architecture_id: str | None, *, refit: bool
) -> dict[int, ModelRecord]:
    """Return the records of one model by seed."""
    return {
        model.seed: model
        for model in handle.models(role)
        if model.name == name and model.refit == refit and architecture_id in (None, model.architecture_id)
    }


def current_baselines(handle: StudyHandle) -> dict[str, list[ModelRecord]]:
    """Return baselines by name, in the order of their seeds; of a changed space only the last architecture."""
    models = sorted(handle.models(ModelRole.BASELINE), key=lambda model: model.created_at)
    last = {model.name: model.architecture_id for model in models}
    found: dict[str, list[ModelRecord]] = {}
    for model in sorted(models, key=lambda model: model.seed):
        if model.architecture_id == last[model.name]:
            found.setdefault(model.name, []).append(model)
    return found
