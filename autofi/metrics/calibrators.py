"""Calibrations of a trained network: from its logit to a click probability, fitted on rows it was not trained on."""

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

#: Logits are told apart up to here: a float64 probability is 1 beyond.
LOGIT_LIMIT = 36.0
#: Breakpoints are whole multiples of 1 / GRID, which changes odds by less than 0.4 %.
GRID = 128

_Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
_Positive = Annotated[float, Field(strict=True, allow_inf_nan=False, gt=0.0)]
_Logit = Annotated[float, Field(strict=True, ge=-LOGIT_LIMIT, le=LOGIT_LIMIT)]
_Probability = Annotated[float, Field(strict=True, ge=PROBABILITY_CLIP, le=1.0 - PROBABILITY_CLIP)]


class Calibration(Strict, ABC):
    """A rising function from logits to probabilities; `read_calibration` reads what `to_json` gives."""

    @classmethod
    @abstractmethod
    def fit(cls, labels: npt.ArrayLike, logits: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> Self:
        """The one of its kind that fits these rows best.

        Logits beyond ±36 count as ±36. Raises ExportError unless higher logits go with more clicks, and DataError
        for columns that do not fit together or are of one class.
        """

    @abstractmethod
    def apply(self, logits: npt.ArrayLike) -> Floats:
        """Probabilities, float64, of logits of any shape."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return self.model_dump(mode="json")


class Platt(Calibration):
    """`sigmoid(slope * logit + intercept)`: keeps every order, and so the AUC.

    Source: Platt, "Probabilistic Outputs for Support Vector Machines", 1999, with his smoothed targets, which keep the
    slope finite where the rows can be separated and change nothing to speak of where there are thousands.
    """

    method: Literal["platt"] = "platt"
    slope: _Positive
    intercept: _Number

    @classmethod
    def fit(cls, labels: npt.ArrayLike, logits: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> Platt:
        truth, values, weight = _rows(labels, logits, weights)
        lowest, highest = _smoothed(truth, weight)
        target = np.where(truth, highest, lowest)
        # A target between 0 and 1 is the row as a click and as none, by these weights.
        # Takes as long to import as torch, and whoever only applies what was fitted has no use for it.
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
    """The rising steps that fit best: straight between breakpoints, level beyond the first and the last.

    Logits of one step become ties, which may move the AUC. The regression keeps the two ends of a step, and so it
    bounds the number of breakpoints. They lie on a grid of 1 / 128 that float32 holds exactly: a logit that another
    engine rounds by 1e-6 moves a probability by at most 1.3e-4 of the rise to the next step.

    No probability is 0 or 1: the lowest is 1 / (N + 2) with N rows that are no clicks, the highest 1 - 1 / (N + 2)
    with N clicks (Platt's smoothed targets), and neither is beyond what a logloss counts, 1e-7.
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


#: Kinds by the name that a user gives.
CALIBRATIONS: Mapping[str, type[Calibration]] = {"platt": Platt, "isotonic": Isotonic}
_ANY: TypeAdapter[Calibration] = TypeAdapter(Annotated[Platt | Isotonic, Field(discriminator="method")])


def read_calibration(document: object) -> Calibration:
    """The calibration of a JSON value; raises ExportError for what `to_json` cannot have given."""
    try:
        return _ANY.validate_python(document)
    except ValidationError as error:
        fault = first_fault(error, document)
        raise ExportError(
            f"A calibration is what an export wrote: {f'at {fault.key}, ' if fault.key else ''}{fault.rule}; "
            f"found {fault.found}; export it again."
        ) from None


def logits_of(probabilities: npt.ArrayLike) -> Floats:
    """The logits of kept predictions, within ±36 where a probability was rounded to 0 or 1."""
    values = np.asarray(probabilities, dtype=np.float64)
    with np.errstate(divide="ignore"):
        found: Floats = logit(values)
    return np.clip(found, -LOGIT_LIMIT, LOGIT_LIMIT)


def on_grid(logits: Floats) -> Floats:
    """The logits that `Isotonic` is fitted on: the nearest that breakpoints may have."""
    found: Floats = np.round(logits * GRID) / GRID
    return found


def _rows(
    labels: npt.ArrayLike, logits: npt.ArrayLike, weights: npt.ArrayLike | None
) -> tuple[npt.NDArray[np.bool_], Floats, Floats]:
    """Clicks, logits and weights with mean 1 of the rows that weigh something."""
    truth = checked_labels(labels)
    values = np.clip(checked_scores(logits, len(truth)), -LOGIT_LIMIT, LOGIT_LIMIT)
    weight = np.ones(len(truth)) if weights is None else checked_weights(weights, len(truth))
    kept = weight > 0.0
    truth, values, weight = truth[kept], values[kept], weight[kept]
    if truth.all() or not truth.any():
        raise DataError(
            f"A calibration needs rows of both classes: all {len(truth)} rows are of one; hold out more rows."
        )
    if np.ptp(on_grid(values)) == 0.0:
        raise _unordered(f"all {len(values)} rows have the logit {values[0]:.3g}")
    return truth, values, weight / weight.mean()


def _smoothed(truth: npt.NDArray[np.bool_], weight: Floats) -> tuple[float, float]:
    """Platt's targets of rows that are no clicks and of clicks, each counted by weight."""
    clicks, others = float(weight[truth].sum()), float(weight[~truth].sum())
    return 1.0 / (others + 2.0), (clicks + 1.0) / (clicks + 2.0)


def _unordered(found: str) -> ExportError:
    return ExportError(
        f"A calibration keeps the order of the predictions, so higher ones must go with more clicks: {found}; "
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
