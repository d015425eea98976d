"""Final trainings: an architecture or a baseline from fresh weights, several seeds, test read, results kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from autofi.costs import record_costs
from autofi.data.dataset import EncodedRows
from autofi.evaluation.from_scratch import Measured, Trained, Workbench
from autofi.evaluation.side_by_side import Retraining, train_each
from autofi.export.bundle import write_bundle
from autofi.export.profiling import profile_training
from autofi.importances import record_importances
from autofi.predictions import Predictions, save_predictions, untested, winner_key
from autofi.progress import Progress
from autofi.settings import SearchSettings
from autofi.space.architecture import Architecture
from autofi.store import ModelRecord, ModelRole, StudyHandle
from autofi.training.calibration import ece, reliability
from autofi.training.metrics import auc, auc_interval, gauc, has_both_classes, has_mixed_group, logloss


def figures(bench: Workbench, predictions: Mapping[str, Predictions]) -> dict[str, dict[str, float]]:
    """AUC, logloss and expected calibration error of every part that was scored and has both classes, rows weighed as
    in training.

    `auc_error` is the standard error of the AUC over rows, each counted once. With groups also GAUC, where a group
    holds both classes.
    """
    found = {}
    for part, rows, labels in _measurable(bench, predictions):
        scores = predictions[part]
        found[part] = {
            "auc": auc(labels, scores, rows.weights),
            "auc_error": auc_interval(labels, scores).standard_error,
            "logloss": logloss(labels, scores, rows.weights),
            "ece": ece(labels, scores, rows.weights),
        }
        if rows.groups is not None and has_mixed_group(labels, rows.groups):
            found[part]["gauc"] = gauc(labels, scores, rows.groups)
    return found


def _reliability_tables(
    bench: Workbench, predictions: Mapping[str, Predictions]
) -> dict[str, list[dict[str, float]]]:
    """Of the same parts the bins that `ece` adds up."""
    return {
        part: [asdict(found) for found in reliability(labels, predictions[part], rows.weights)]
        for part, rows, labels in _measurable(bench, predictions)
    }


def _measurable(
    bench: Workbench, parts: Iterable[str]
) -> Iterator[tuple[str, EncodedRows, npt.NDArray[np.floating]]]:
    """Those of the parts that have both classes among rows with a weight, with their rows and labels."""
    for part in parts:
        rows = bench.dataset.rows(part)
        labels = np.asarray(rows.labels)
        if has_both_classes(labels, rows.weights):
            yield part, rows, labels


def retrain_winner(
    handle: StudyHandle,
    bench: Workbench,
    architecture: Architecture,
    *,
    seeds: int,
    seed: int,
    refit: bool,
    progress: Progress,
    role: ModelRole = ModelRole.WINNER,
) -> None:
    """Train the architecture with `seeds` seeds that are not recorded yet; each becomes a bundle and a record.

    With `refit` every seed is trained once more on training and validation rows together, for as many evaluation
    periods as its first training found best; that second model is the one that is kept. The importances of the first
    seed are kept too, where the study has none of it.
    """
    progress.phase("retrain winner" if role is ModelRole.WINNER else "retrain", total=seeds)
    known = _kept_in_either(handle, role, architecture.id, refit=refit)
    missing = [number for number in range(seed, seed + seeds) if number not in known]
    progress.advance(seeds - len(missing))
    tasks = [Retraining(architecture, number, refit=refit) for number in missing]
    for _, trained in train_each(bench, tasks, on_evaluation=watch(progress)):
        _keep_bundle(handle, bench, trained, role=role, refit=refit)
        progress.advance()
    record_importances(
        handle,
        bench,
        list(recorded(handle, role, role.value, architecture.id, refit=refit).values()),
        progress,
    )


def _kept_in_either(
    handle: StudyHandle, role: ModelRole, architecture_id: str, *, refit: bool
) -> dict[int, ModelRecord]:
    """The seeds of an architecture in a role; what was trained in the other role counts in this one, too."""
    known = recorded(handle, role, role.value, architecture_id, refit=refit)
    other = ModelRole.RETRAINED if role is ModelRole.WINNER else ModelRole.WINNER
    for seed, model in recorded(handle, other, other.value, architecture_id, refit=refit).items():
        if seed not in known and model.path is not None and model.path.exists():
            handle.record_model(
                role=role,
                name=role.value,
                seed=seed,
                metrics=model.metrics,
                architecture_id=architecture_id,
                refit=refit,
                parameters=model.parameters,
                table_bytes=model.table_bytes,
                seconds=model.seconds,
                path=model.path,
            )
            known[seed] = model
    return known


def _keep_bundle(
    handle: StudyHandle, bench: Workbench, trained: Trained, *, role: ModelRole, refit: bool
) -> None:
    metrics = figures(bench, trained.predictions)
    name = winner_key(trained.architecture.id, trained.seed, refit=refit)
    path = handle.artifacts / "models" / name
    write_bundle(
        path,
        architecture=trained.architecture,
        builder=trained.builder,
        network=trained.network,
        metrics=metrics | {"reliability": _reliability_tables(bench, trained.predictions)},
        origin=origin(handle, bench, trained.seed, refit=refit),
        profile=profile_training(bench.dataset),
    )
    save_predictions(handle, name, trained.predictions)
    record_costs(handle, name, trained)
    record_training(handle, trained, metrics, role=role, name=role.value, refit=refit, path=path)


def record_training(
    handle: StudyHandle,
    measured: Measured,
    metrics: Mapping[str, Any],
    *,
    role: ModelRole,
    name: str,
    refit: bool = False,
    path: Path | None = None,
) -> None:
    """Keep what a training came to, `metrics` as `figures` gives them."""
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
    """Records of one model by seed."""
    return {
        model.seed: model
        for model in handle.models(role)
        if model.name == name and model.refit == refit and architecture_id in (None, model.architecture_id)
    }


def origin(handle: StudyHandle, bench: Workbench, seed: int, *, refit: bool) -> dict[str, Any]:
    """Where a bundle comes from."""
    record, dataset = handle.record, bench.dataset
    settings = SearchSettings.from_json(record.settings)
    column = settings.schema_overrides().split_column
    split = "files of their own" if settings.valid or settings.test else settings.split
    rows = {part: f"{bounds.stop - bounds.start:,}" for part, bounds in dataset.parts.items()}
    test = dataset.rows("test")
    reason = untested(test.labels, test.weights)
    trained_on = f"{rows['train']} training" + (f" and {rows['valid']} validation" if refit else "")
    return {
        "study": record.name,
        "space": record.space_name,
        "space_fingerprint": record.space_fingerprint,
        "data_source": record.data_source,
        "data_fingerprint": record.data_fingerprint,
        "protocol": {
            "split": f"column {column}" if column else split,
            "rows apart by": ", ".join(dataset.apart_names or []) or None,
            "trained on": f"{trained_on} rows",
            "chosen on": f"{rows['valid']} validation rows",
            "measured once on": None if reason else f"{rows['test']} test rows",
            "test AUC": reason and f"not available: {reason}",
            "trials": settings.trials,
        },
        "versions": dict(record.versions),
        "seed": seed,
    }


def watch(progress: Progress) -> Callable[[int, float, float, float], None]:
    """Shows every evaluation of a training."""

    def show(number: int, valid_auc: float, valid_logloss: float, speed: float) -> None:
        progress.advance(0, evaluation=number, auc=round(valid_auc, 5), rows_per_second=int(speed))

    return show


__all__ = [
    "figures",
    "record_training",
    "recorded",
    "retrain_winner",
    "watch",
]
