"""Calibrations of a trained network: from its logit to a click probability, fitted on held-out rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, TypeAdapter, ValidationError, model_validator
from scipy.special import expit, logit

from autofi.core.validated import Strict, first_fault
from autofi.errors import DataError, ExportError
from autofi.metrics.checks import Floats, checked_labels, checked_scores, checked_weights
from autofi.metrics.ranking import PROBABILITY_CLIP

#: Logits are clipped here: the float64 probability of a larger one is 1.
LOGIT_LIMIT = 36.0
#: Breakpoints are rounded to multiples of 1 / GRID, which changes odds by less than 0.4 %.
GRID = 128

_Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
_Positive = Annotated[float, Field(strict=True, allow_inf_nan=False, gt=0.0)]
_Logit = Annotated[float, Field(strict=True, ge=-LOGIT_LIMIT, le=LOGIT_LIMIT)]
_Probability = Annotated[float, Field(strict=True, ge=PROBABILITY_CLIP, le=1.0 - PROBABILITY_CLIP)]


class Calibration(Strict, ABC):
    """A rising function from logits to probabilities; `read_calibration` reads the result of `to_json`."""

    @classmethod
    @abstractmethod
    def fit(cls, labels: npt.ArrayLike, logits: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> Self:
        """Return the calibration of this kind that fits these rows best.

        Logits beyond ±36 count as ±36.

        Args:
            labels: 0 or 1, `[N]`.
            logits: Logits of the network, `[N]`.
            weights: Weights of the rows, `[N]`; 1 by default.

        Raises:
            ExportError: Higher logits do not go with more clicks.
            DataError: The columns do not fit together, or all rows are of one class.
        """

    @abstractmethod
    def apply(self, logits: npt.ArrayLike) -> Floats:
        """Return the float64 probabilities of logits of any shape."""

    def to_json(self) -> dict[str, Any]:
        """Return the calibration as plain JSON values."""
        return self.model_dump(mode="json")


class Platt(Calibration):
    """Platt scaling: `sigmoid(slope * logit + intercept)`, which keeps the order of the rows and so the AUC.

    Source: Platt, "Probabilistic Outputs for Support Vector Machines", 1999, with his smoothed targets. They keep the
    slope finite if the rows can be separated, and make next to no difference with thousands of rows.
    """

    method: Literal["platt"] = "platt"
    slope: _Positive
    intercept: _Number

    @classmethod
    def fit(cls, labels: npt.ArrayLike, logits: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> Platt:
        truth, values, weight = _rows(labels, logits, weights)
        lowest, highest = _smoothed(truth, weight)
        target = np.where(truth, highest, lowest)
        # A target between 0 and 1 is written as the row twice, as a click and as none, with these weights.
        # scikit-learn takes as long to import as torch, and it is not needed to apply a fitted calibration.
        from sklearn.linear_model import LogisticRegression

        model = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-8, max_iter=1000)
        model.fit(
            np.tile(values, 2).reshape(-1, 1),
            np.repeat([1, 0], len(values)),
            sample_weight=np.concatenate([weight * target, weight * (1.0 - target)]),
        )
        slope = float(model.coef_[0, 0])
        if slope <= 0.0:
            raise _unordered(f"Platt's slope is {slope:.3g}")
        return cls(slope=slope, intercept=float(model.intercept_[0]))

    def apply(self, logits: npt.ArrayLike) -> Floats:
        found: Floats = expit(self.slope * np.asarray(logits, dtype=np.float64) + self.intercept)
        return found


class Isotonic(Calibration):
    """Isotonic regression: the rising steps that fit best, linear between breakpoints, level beyond the outer ones.

    Logits of one step become ties, which may change the AUC. The regression keeps only the two ends of a step, which
    bounds the number of breakpoints. They lie on a grid of 1 / 128 that float32 holds exactly: a logit that another
    engine rounds by 1e-6 moves a probability by at most 1.3e-4 of the rise to the next step.

    No probability is 0 or 1: the lowest is 1 / (N + 2) with N rows that are not clicks, the highest 1 - 1 / (N + 2)
    with N clicks (Platt's smoothed targets). Both are clipped at 1e-7, as the logloss is.
    """

    method: Literal["isotonic"] = "isotonic"
    logits: tuple[_Logit, ...] = Field(min_length=2)
    probabilities: tuple[_Probability, ...]

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if len(self.logits) != len(self.probabilities):
            raise ValueError(
                f"{len(self.logits)} logits need as many probabilities, not {len(self.probabilities)}"
            )
        if any(logit * GRID % 1 for logit in self.logits):
            raise ValueError(f"the logits of breakpoints must be multiples of 1 / {GRID}")
        if not all(left < right for left, right in pairwise(self.logits)):
            raise ValueError("the logits of breakpoints must rise")
        if not all(left <= right for left, right in pairwise(self.probabilities)):
            raise ValueError("the probabilities of breakpoints must not fall")
        return self

    @classmethod
    def fit(
        cls, labels: npt.ArrayLike, logits: npt.ArrayLike, weights: npt.ArrayLike | None = None
    ) -> Isotonic:
        truth, values, weight = _rows(labels, logits, weights)
        lowest, highest = np.clip(_smoothed(truth, weight), PROBABILITY_CLIP, 1.0 - PROBABILITY_CLIP)
        from sklearn.isotonic import IsotonicRegression

        model = IsotonicRegression(y_min=lowest, y_max=highest)
        model.fit(on_grid(values), truth, sample_weight=weight)
        probabilities = model.y_thresholds_.tolist()
        if probabilities[0] == probabilities[-1]:
            raise _unordered("the best rising steps are one step")
        return cls(logits=model.X_thresholds_.tolist(), probabilities=probabilities)

    def apply(self, logits: npt.ArrayLike) -> Floats:
        return np.interp(np.asarray(logits, dtype=np.float64), self.logits, self.probabilities)


#: Kinds of calibration by their names in options.
CALIBRATIONS: Mapping[str, type[Calibration]] = {"platt": Platt, "isotonic": Isotonic}
_ANY: TypeAdapter[Calibration] = TypeAdapter(Annotated[Platt | Isotonic, Field(discriminator="method")])


def read_calibration(document: object) -> Calibration:
    """Return the calibration of a JSON value that `to_json` gave.

    Raises:
        ExportError: The value is any other.
    """
    try:
        return _ANY.validate_python(document)
    except ValidationError as error:
        fault = first_fault(error, document)
        raise ExportError(
            f"The calibration has {fault.found}{f' at {fault.key}' if fault.key else ''}, which no export writes "
            f"({fault.rule}); export the bundle again."
        ) from None


def logits_of(probabilities: npt.ArrayLike) -> Floats:
    """Return the logits of stored predictions, clipped to ±36, as a probability may have been rounded to 0 or 1."""
    values = np.asarray(probabilities, dtype=np.float64)
    with np.errstate(divide="ignore"):
        found: Floats = logit(values)
    return np.clip(found, -LOGIT_LIMIT, LOGIT_LIMIT)


def on_grid(logits: Floats) -> Floats:
    """Return the logits rounded to the grid of breakpoints, on which `Isotonic` is fitted."""
    found: Floats = np.round(logits * GRID) / GRID
    return found


def _rows(
    labels: npt.ArrayLike, logits: npt.ArrayLike, weights: npt.ArrayLike | None
) -> tuple[npt.NDArray[np.bool_], Floats, Floats]:
    """Return clicks, clipped logits and weights (scaled to a mean of 1) of the rows with a weight above 0."""
    truth = checked_labels(labels)
    values = np.clip(checked_scores(logits, len(truth)), -LOGIT_LIMIT, LOGIT_LIMIT)
    weight = np.ones(len(truth)) if weights is None else checked_weights(weights, len(truth))
    kept = weight > 0.0
    truth, values, weight = truth[kept], values[kept], weight[kept]
    if truth.all() or not truth.any():
        raise DataError(f"All {len(truth)} rows for the calibration are of one class; hold out more rows.")
    if np.ptp(on_grid(values)) == 0.0:
        raise _unordered(f"all {len(values)} rows have the logit {values[0]:.3g}")
    return truth, values, weight / weight.mean()


def _smoothed(truth: npt.NDArray[np.bool_], weight: Floats) -> tuple[float, float]:
    """Return Platt's targets of rows without a click and of rows with one, each counted by weight."""
    clicks, others = float(weight[truth].sum()), float(weight[~truth].sum())
    return 1.0 / (others + 2.0), (clicks + 1.0) / (clicks + 2.0)


def _unordered(found: str) -> ExportError:
    return ExportError(
        f"Higher predictions do not go with more clicks, so they cannot be calibrated ({found}); "
        "export without a calibration, or search for a better model."
    )


__all__ = [
    "CALIBRATIONS",
    "Calibration",
    "Isotonic",
    "Platt",
    "logits_of",
    "on_grid",
    "read_calibration",
]
