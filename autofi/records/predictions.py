"""Predictions kept with a study, one file per model, and the labels they are measured against."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from autofi.core.atomic_file import atomic_path
from autofi.data.dataset import EncodedDataset
from autofi.metrics.ranking import has_both_classes
from autofi.store import ModelRecord, ModelRole, StudyHandle

Predictions = npt.NDArray[np.float64]
LABELS = "labels"
WEIGHTS = "weights"
#: The stage of predictions that are in the database, and the most rows that they cover.
SHARED = "predictions"
SHARED_ROWS = 1_000_000


def trial_key(number: int) -> str:
    """Return the key of a trial of the search."""
    return f"trial-{number}"


def winner_key(architecture_id: str, seed: int, *, refit: bool) -> str:
    """Return the key of a retrained architecture and of its bundle."""
    return f"winner-{architecture_id}-{seed}{'-refit' if refit else ''}"


def ensemble_key(members_id: str) -> str:
    """Return the key of an ensemble, by the id of its members, and of its bundle."""
    return f"ensemble-{members_id}"


def baseline_key(name: str, seed: int) -> str:
    """Return the key of a baseline."""
    return f"baseline-{name}-{seed}"


def model_key(model: ModelRecord) -> str:
    """Return the key of a recorded model."""
    if model.role in (ModelRole.WINNER, ModelRole.RETRAINED):
        return winner_key(model.architecture_id, model.seed, refit=model.refit)
    if model.role is ModelRole.ENSEMBLE:
        return ensemble_key(model.architecture_id)
    return baseline_key(model.name, model.seed)


def save_predictions(
    handle: StudyHandle, key: str, predictions: Mapping[str, npt.NDArray[np.floating]]
) -> None:
    """Write the predictions of a model by part, as a whole or not at all."""
    arrays = {name: np.asarray(scores, dtype=np.float64) for name, scores in predictions.items()}
    write_arrays(predictions_file(handle, key), arrays)


def write_arrays(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write a compressed file of arrays, as a whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as part, part.open("wb") as file:
        np.savez_compressed(file, **dict[str, Any](arrays))


def share_predictions(
    handle: StudyHandle, key: str, predictions: Mapping[str, npt.NDArray[np.floating]]
) -> None:
    """Store predictions in the database too if it is a server, for another machine that may choose the winner.

    They are float32, of at most SHARED_ROWS rows; with more rows nothing is stored, and such trials are compared by
    their AUC alone.
    """
    if handle.is_local or sum(map(len, predictions.values())) > SHARED_ROWS:
        return
    packed = {
        part: base64.b64encode(zlib.compress(np.asarray(scores, dtype="<f4").tobytes(), 1)).decode()
        for part, scores in predictions.items()
    }
    handle.record_stage(f"{SHARED}/{key}", packed)


def load_predictions(handle: StudyHandle, key: str) -> dict[str, Predictions]:
    """Return the stored predictions of a model by part; empty if they are gone."""
    path = predictions_file(handle, key)
    if path.exists():
        with np.load(path, allow_pickle=False) as stored:
            return {part: stored[part] for part in stored.files}
    shared = (None if handle.is_local else handle.stage(f"{SHARED}/{key}")) or {}
    return {
        part: np.frombuffer(zlib.decompress(base64.b64decode(packed)), dtype="<f4").astype(np.float64)
        for part, packed in shared.items()
    }


def save_labels(handle: StudyHandle, dataset: EncodedDataset) -> None:
    """Store labels, and weights of rows if there are any, of the held-out parts.

    With them, predictions of a study can be measured without the data.
    """
    for key, column in ((LABELS, dataset.labels), (WEIGHTS, dataset.weights)):
        if column is not None and not predictions_file(handle, key).exists():
            save_predictions(handle, key, {part: column[dataset.parts[part]] for part in ("valid", "test")})


def load_labels(handle: StudyHandle, part: str) -> Predictions | None:
    """Return the labels of a part; None if they are gone, or rows with a weight above 0 have one class only."""
    labels = load_predictions(handle, LABELS).get(part)
    return labels if labels is not None and has_both_classes(labels, _fitting(handle, part, labels)) else None


def load_untested(handle: StudyHandle) -> str | None:
    """Return the reason in words why a study has no test AUC; None if it has one, or its labels are gone."""
    labels = load_predictions(handle, LABELS).get("test")
    return None if labels is None else untested(labels, _fitting(handle, "test", labels))


def _fitting(handle: StudyHandle, part: str, labels: Predictions) -> Predictions | None:
    """Return the stored weights of a part if they have as many rows as its labels; a file may be another study's."""
    weights = load_weights(handle, part)
    return weights if weights is not None and len(weights) == len(labels) else None


def untested(labels: npt.NDArray[np.floating] | None, weights: npt.NDArray[np.floating] | None) -> str | None:
    """Return the reason in words why test rows with these labels have no AUC; None if they have one."""
    clicked = np.empty(0, dtype=bool) if labels is None else labels > 0
    if not len(clicked):
        return "there are no test rows"
    if has_both_classes(clicked, weights):
        return None
    counted = clicked if weights is None else clicked[weights > 0]
    rows = f"{len(counted):,} test rows" + ("" if weights is None else " with a weight above 0")
    return f"all {rows} have a click" if counted.any() else f"none of the {rows} has a click"


def load_weights(handle: StudyHandle, part: str) -> Predictions | None:
    """Return the weights of the rows of a part; None if there are none, or an earlier version did not keep them."""
    return load_predictions(handle, WEIGHTS).get(part)


def predictions_file(handle: StudyHandle, key: str) -> Path:
    """Return the path of a model's predictions, which need not exist yet."""
    return handle.artifacts / "predictions" / f"{key}.npz"
