"""Final trainings: an architecture or a baseline from fresh weights, several seeds, test read, results kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from autofi.evaluation.from_scratch import Trained, Workbench
from autofi.evaluation.trees import fit_trees
from autofi.export.bundle import write_bundle
from autofi.predictions import Predictions, baseline_key, save_predictions, winner_key
from autofi.progress import Progress
from autofi.settings import TREES
from autofi.space.architecture import Architecture
from autofi.space.resolve import resolve
from autofi.space.search_space import load_space
from autofi.store import ModelRecord, ModelRole, StudyHandle
from autofi.training.metrics import auc, gauc, has_mixed_group, logloss

#: Seconds a tree baseline may take: as long as the whole search took, within these bounds.
TREE_SECONDS = (20.0, 120.0)


def figures(bench: Workbench, predictions: Mapping[str, Predictions]) -> dict[str, dict[str, float]]:
    """AUC and logloss of every part that was scored and has both classes, rows weighed as in training.

    With groups also GAUC, where a group holds both classes.
    """
    found = {}
    for part, scores in predictions.items():
        rows = bench.dataset.rows(part)
        labels = np.asarray(rows.labels)
        if not len(labels) or not 0 < labels.mean() < 1:
            continue
        found[part] = {
            "auc": auc(labels, scores, rows.weights),
            "logloss": logloss(labels, scores, rows.weights),
        }
        if rows.groups is not None and has_mixed_group(labels, rows.groups):
            found[part]["gauc"] = gauc(labels, scores, rows.groups)
    return found


def retrain_winner(
    handle: StudyHandle,
    bench: Workbench,
    architecture: Architecture,
    *,
    seeds: int,
    seed: int,
    refit: bool,
    progress: Progress,
) -> None:
    """Train the architecture with `seeds` seeds that are not recorded yet; each becomes a bundle and a record.

    With `refit` every seed is trained once more on training and validation rows together, for as many evaluation
    periods as its first training found best; that second model is the one that is kept.
    """
    progress.phase("retrain winner", total=seeds)
    known = recorded(handle, ModelRole.WINNER, "winner", architecture.id, refit=refit)
    for number in range(seeds):
        if seed + number not in known:
            _retrain_seed(handle, bench, architecture, seed=seed + number, refit=refit, progress=progress)
        progress.advance()


def _retrain_seed(
    handle: StudyHandle,
    bench: Workbench,
    architecture: Architecture,
    *,
    seed: int,
    refit: bool,
    progress: Progress,
) -> None:
    trained = bench.train(architecture, seed=seed, parts=("valid", "test"), on_evaluation=watch(progress))
    metrics: dict[str, Any] = figures(bench, trained.predictions)
    if refit:
        whole = bench.with_validation()
        trained = whole.train(architecture, seed=seed, parts=("test",), repeat=trained.report)
        metrics["test"] = figures(bench, trained.predictions).get("test")
    name = winner_key(architecture.id, seed, refit=refit)
    path = handle.artifacts / "models" / name
    write_bundle(
        path,
        architecture=architecture,
        builder=trained.builder,
        network=trained.network.cpu(),
        metrics=metrics,
        origin=origin(handle, seed),
    )
    save_predictions(handle, name, trained.predictions)
    handle.record_model(
        role=ModelRole.WINNER,
        name="winner",
        seed=seed,
        metrics=metrics,
        architecture_id=architecture.id,
        refit=refit,
        parameters=trained.parameters,
        table_bytes=trained.table_bytes,
        seconds=trained.report.seconds,
        path=path,
    )


def train_baseline(
    handle: StudyHandle, bench: Workbench, name: str, *, seed: int, seconds: float, progress: Progress
) -> None:
    """One baseline with one seed, unless it is recorded already; test is read, so call it when the winner is chosen.

    `seconds` is what the search took: trees, which try several forms of their own, may take as long.
    """
    if seed in recorded(handle, ModelRole.BASELINE, name, None, refit=False):
        return
    key = baseline_key(name, seed)
    if name in TREES:
        result = fit_trees(
            name,
            bench.dataset,
            seed=seed,
            time_limit=min(max(seconds, TREE_SECONDS[0]), TREE_SECONDS[1]),
            threads=2,
        )
        save_predictions(handle, key, result.predictions)
        handle.record_model(
            role=ModelRole.BASELINE,
            name=name,
            seed=seed,
            metrics=figures(bench, result.predictions),
            table_bytes=result.size_bytes,
            seconds=result.seconds,
        )
        return
    trained = bench.train(
        baseline(name, bench), seed=seed, parts=("valid", "test"), on_evaluation=watch(progress)
    )
    save_predictions(handle, key, trained.predictions)
    handle.record_model(
        role=ModelRole.BASELINE,
        name=name,
        seed=seed,
        metrics=figures(bench, trained.predictions),
        architecture_id=trained.architecture.id,
        parameters=trained.parameters,
        table_bytes=trained.table_bytes,
        seconds=trained.report.seconds,
    )


def baseline(name: str, bench: Workbench) -> Architecture:
    """The one point of a named space, for this data."""
    space = load_space(name)
    names = bench.names
    options = space.pairs.options[0]
    pairs = dict.fromkeys(space.pair_names(names), options) if options else {}
    return resolve(space, fields=dict.fromkeys(names, space.fields.forms), pairs=pairs)


def recorded(
    handle: StudyHandle, role: ModelRole, name: str, architecture_id: str | None, *, refit: bool
) -> dict[int, ModelRecord]:
    """Records of one model by seed."""
    return {
        model.seed: model
        for model in handle.models(role)
        if model.name == name and model.refit == refit and architecture_id in (None, model.architecture_id)
    }


def origin(handle: StudyHandle, seed: int) -> dict[str, Any]:
    """Where a bundle comes from."""
    record = handle.record
    return {
        "study": record.name,
        "space": record.space_name,
        "space_fingerprint": record.space_fingerprint,
        "data_source": record.data_source,
        "data_fingerprint": record.data_fingerprint,
        "versions": dict(record.versions),
        "seed": seed,
    }


def watch(progress: Progress) -> Callable[[int, float, float, float], None]:
    """Shows every evaluation of a training."""

    def show(number: int, valid_auc: float, valid_logloss: float, speed: float) -> None:
        progress.advance(0, evaluation=number, auc=round(valid_auc, 5), rows_per_second=int(speed))

    return show


__all__ = ["Trained", "baseline", "figures", "recorded", "retrain_winner", "train_baseline"]
