"""Calibration of a recorded model, fitted on its study's predictions, labels and weights of rows."""

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
    """A calibration with its effect by part: AUC, logloss and calibration error `before` and `after`."""

    method: str
    calibration: Calibration
    parts: dict[str, dict[str, Figures]]

    def metrics(self) -> dict[str, Any]:
        """Return the metrics in the form of a bundle."""
        return {"calibration": {"method": self.method, **self.parts}}

    def describe(self) -> str:
        """Return its effect in one line, on rows that it was not fitted on if there are any."""
        part = "test" if "test" in self.parts else "valid"
        before, after = self.parts[part]["before"], self.parts[part]["after"]
        return f"Calibrated by {self.method}: " + ", ".join(
            f"{part} {name} {before[key]:.4f} → {after[key]:.4f}"
            for key, name in (("logloss", "logloss"), ("ece", "calibration error"), ("auc", "AUC"))
        )


def check_calibration(handle: StudyHandle, method: str, *, refit: bool) -> None:
    """Check that a calibration of the study's models is possible.

    Raises:
        ConfigError: The method is unknown.
        ExportError: No model of the study can be calibrated.
    """
    if method not in CALIBRATIONS:
        raise ConfigError(f"No calibration is named '{method}': {nearest(method, CALIBRATIONS)}")
    if refit:
        raise ExportError(
            f"'{handle.name}' refits its winner on the validation rows too, but a calibration is fitted on rows that "
            f"training has not seen; {_WAY_OUT} without --refit."
        )
    if load_labels(handle, "valid") is None:
        raise ExportError(
            f"'{handle.name}' keeps no labels of validation rows, or labels of one class, and a calibration needs "
            f"both classes; {_WAY_OUT}."
        )
    if load_weights(handle, "valid") is None and _weighed(handle):
        raise ExportError(
            f"'{handle.name}' was begun by an earlier version and keeps no weights of rows, which a calibration needs; "
            "run the same search again: it stores them and trains nothing."
        )


def calibrate(handle: StudyHandle, model: ModelRecord, method: str) -> Calibrated:
    """Fit a calibration on the validation rows, weighted as in training, without reading data or test rows again.

    `after` of the validation rows is measured on the rows that it was fitted on, `after` of the test rows is not. The
    validation rows have also chosen the model and the end of its training.

    Raises:
        ConfigError: See `check_calibration`.
        ExportError: See `check_calibration`; or the model's predictions are gone, or higher predictions do not go with
            more clicks.
    """
    check_calibration(handle, method, refit=model.refit)
    kept = {part: rows for part in ("valid", "test") if (rows := _kept(handle, model, part)) is not None}
    if "valid" not in kept:
        raise ExportError(
            f"'{handle.name}' keeps no predictions of '{model_key(model)}' on validation rows that fit its labels, and "
            f"a calibration is fitted on them; {_WAY_OUT}."
        )
    labels, scores, weights = kept["valid"]
    calibration = CALIBRATIONS[method].fit(labels, logits_of(scores), weights)
    return Calibrated(method, calibration, {part: _compared(calibration, *kept[part]) for part in kept})


def _kept(
    handle: StudyHandle, model: ModelRecord, part: str
) -> tuple[Predictions, Predictions, Predictions | None] | None:
    """Return labels, predictions and weights of a part; None if it was not scored, or something is gone."""
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
