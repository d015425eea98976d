"""A calibration of a recorded model, fitted on what its study keeps: predictions, labels and weights of rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from autofi.errors import ConfigError, ExportError, nearest
from autofi.metrics.calibration import ece
from autofi.metrics.calibrators import CALIBRATIONS, Calibration, logits_of
from autofi.metrics.ranking import auc, logloss
from autofi.records.predictions import Predictions, load_labels, load_predictions, load_weights, model_key
from autofi.store import ModelRecord, StudyHandle
from autofi.store.search_settings import SearchSettings

Figures = dict[str, float]

_WAY_OUT = "export it without a calibration, or search again under another name"


@dataclass(frozen=True)
class Calibrated:
    """A calibration with what it changes, by part: AUC, logloss and calibration error `before` and `after`."""

    method: str
    calibration: Calibration
    parts: dict[str, dict[str, Figures]]

    def metrics(self) -> dict[str, Any]:
        """As a bundle keeps them."""
        return {"calibration": {"method": self.method, **self.parts}}

    def describe(self) -> str:
        """What it changed on the rows that it was not fitted on, where there are any, in one line."""
        part = "test" if "test" in self.parts else "valid"
        before, after = self.parts[part]["before"], self.parts[part]["after"]
        return f"Calibrated by {self.method}: " + ", ".join(
            f"{part} {name} {before[key]:.4f} → {after[key]:.4f}"
            for key, name in (("logloss", "logloss"), ("ece", "calibration error"), ("auc", "AUC"))
        )


def check_calibration(handle: StudyHandle, method: str, *, refit: bool) -> None:
    """Raise ConfigError for an unknown method, and ExportError where no model of the study can be calibrated."""
    if method not in CALIBRATIONS:
        raise ConfigError(f"No calibration is named '{method}': {nearest(method, CALIBRATIONS)}")
    if refit:
        raise ExportError(
            f"A calibration is fitted on rows that training has not seen: '{handle.name}' refits its winner on the "
            f"validation rows, too; {_WAY_OUT} without --refit."
        )
    if load_labels(handle, "valid") is None:
        raise ExportError(
            f"A calibration needs labels of validation rows, of both classes: '{handle.name}' keeps none, or they are "
            f"of one; {_WAY_OUT}."
        )
    if load_weights(handle, "valid") is None and _weighed(handle):
        raise ExportError(
            f"A calibration weighs rows as the training did: '{handle.name}' keeps no weights, for an earlier version "
            "began it; the same search again keeps them, and trains nothing anew."
        )


def calibrate(handle: StudyHandle, model: ModelRecord, method: str) -> Calibrated:
    """Fit on the validation rows, weighed as in training; neither the data nor the test rows are read again.

    `after` of the validation rows is measured on the rows that it was fitted on, `after` of the test rows is not.
    The validation rows have chosen the model and the end of its training, too. Raises what `check_calibration` raises,
    and ExportError where the model's predictions are gone, and where higher ones do not go with more clicks.
    """
    check_calibration(handle, method, refit=model.refit)
    kept = {part: rows for part in ("valid", "test") if (rows := _kept(handle, model, part)) is not None}
    if "valid" not in kept:
        raise ExportError(
            f"A calibration is fitted on predictions of validation rows kept beside a study: '{handle.name}' has none "
            f"that fit its labels of '{model_key(model)}'; {_WAY_OUT}."
        )
    labels, scores, weights = kept["valid"]
    calibration = CALIBRATIONS[method].fit(labels, logits_of(scores), weights)
    return Calibrated(method, calibration, {part: _compared(calibration, *kept[part]) for part in kept})


def _kept(
    handle: StudyHandle, model: ModelRecord, part: str
) -> tuple[Predictions, Predictions, Predictions | None] | None:
    """Labels, predictions and weights of a part; None where it was not scored, or that is gone."""
    scores, labels = load_predictions(handle, model_key(model)).get(part), load_labels(handle, part)
    if scores is None or labels is None or len(scores) != len(labels):
        return None
    return labels, scores, load_weights(handle, part)


def _weighed(handle: StudyHandle) -> bool:
    return SearchSettings.from_json(handle.record.settings).schema_overrides().weight is not None


def _compared(
    calibration: Calibration, labels: Predictions, scores: Predictions, weights: Predictions | None
) -> dict[str, Figures]:
    calibrated = calibration.apply(logits_of(scores))
    return {
        when: {
            "auc": auc(labels, values, weights),
            "logloss": logloss(labels, values, weights),
            "ece": ece(labels, values, weights),
        }
        for when, values in (("before", scores), ("after", calibrated))
    }


__all__ = ["Calibrated", "calibrate", "check_calibration"]
