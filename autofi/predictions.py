"""Predictions kept beside a study, one file per model, and the labels they are measured against."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from autofi.data.dataset import EncodedDataset
from autofi.store import ModelRecord, ModelRole, StudyHandle

Predictions = npt.NDArray[np.float64]
LABELS = "labels"


def trial_key(number: int) -> str:
    """What a trial of the search is kept under."""
    return f"trial-{number}"


def winner_key(architecture_id: str, seed: int, *, refit: bool) -> str:
    """What a retrained architecture is kept under, its bundle as well."""
    return f"winner-{architecture_id}-{seed}{'-refit' if refit else ''}"


def baseline_key(name: str, seed: int) -> str:
    """What a baseline is kept under."""
    return f"baseline-{name}-{seed}"


def model_key(model: ModelRecord) -> str:
    """What a recorded model is kept under."""
    if model.role in (ModelRole.WINNER, ModelRole.RETRAINED):
        return winner_key(model.architecture_id, model.seed, refit=model.refit)
    return baseline_key(model.name, model.seed)


def save_predictions(
    handle: StudyHandle, key: str, predictions: Mapping[str, npt.NDArray[np.floating]]
) -> None:
    """Keep the predictions of a model by part; whole or not at all."""
    path = predictions_file(handle, key)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    arrays: dict[str, Any] = {
        name: np.asarray(scores, dtype=np.float64) for name, scores in predictions.items()
    }
    with part.open("wb") as file:
        np.savez_compressed(file, **arrays)
    part.replace(path)


def load_predictions(handle: StudyHandle, key: str) -> dict[str, Predictions]:
    """Predictions kept of a model, by part; empty when the file is gone."""
    path = predictions_file(handle, key)
    if not path.exists():
        return {}
    with np.load(path, allow_pickle=False) as stored:
        return {part: stored[part] for part in stored.files}


def save_labels(handle: StudyHandle, dataset: EncodedDataset) -> None:
    """Keep the labels of the held-out parts, so that intervals can be told without the data."""
    if not predictions_file(handle, LABELS).exists():
        save_predictions(
            handle, LABELS, {part: dataset.labels[dataset.parts[part]] for part in ("valid", "test")}
        )


def load_labels(handle: StudyHandle, part: str) -> Predictions | None:
    """Labels of a part; None where they are gone or of one class only."""
    labels = load_predictions(handle, LABELS).get(part)
    return labels if labels is not None and len(labels) and 0 < labels.mean() < 1 else None


def predictions_file(handle: StudyHandle, key: str) -> Path:
    """Where the predictions of a model are, or will be."""
    return handle.artifacts / "predictions" / f"{key}.npz"
