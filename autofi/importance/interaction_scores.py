"""Reliances and feature interaction scores of many models, with their intervals and clouds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

#: Names of fields, in the order of the data.
Names = tuple[str, ...]
CONFIDENCE = 0.95
#: Significant digits of a score that are kept.
DIGITS = 6


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % interval."""

    mean: float
    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Return True if the value lies in the interval."""
        return self.low <= value <= self.high

    def to_json(self) -> list[float]:
        return [_rounded(value) for value in (self.mean, self.low, self.high)]

    @classmethod
    def from_json(cls, value: Sequence[float]) -> Self:
        return cls(*map(float, value))


def estimate(repeats: npt.NDArray[np.floating]) -> Estimate:
    """Return the mean of repeats on different rows, `[repeats]`, or of several models, `[models, repeats]`.

    The t interval covers how the mean of one model varies with its rows and how models vary, with their degrees of
    freedom combined as by Welch and Satterthwaite.
    """
    values = np.atleast_2d(np.asarray(repeats, dtype=np.float64))
    mean = float(values.mean())
    parts = []
    for spread in (values.mean(0), values.mean(1)):
        if len(spread) > 1:
            parts.append((float(spread.var(ddof=1)) / len(spread), len(spread) - 1))
    variance = sum(part for part, _ in parts)
    if variance == 0.0:
        return Estimate(mean, mean, mean)
    freedom = variance**2 / sum(part**2 / degrees for part, degrees in parts)
    half = float(stdtrit(freedom, 0.5 + CONFIDENCE / 2)) * math.sqrt(variance)
    return Estimate(mean, mean - half, mean + half)


@dataclass(frozen=True)
class ScoredModel:
    """A model of the set with its scores.

    Attributes:
        kind: "winner", "retrained", "trial", "finalist", "baseline", or "masked": explored around the reference.
        loss: Logloss of the drawn rows.
        factors: Factors of the fields of a masked model, where they differ from 1.
        phi: Reliance by field.
        fis: Interaction score by pair and by triple; a model masked at a pair has that pair's score alone.
    """

    name: str
    kind: str
    loss: Estimate
    phi: Mapping[str, Estimate]
    fis: Mapping[Names, Estimate]
    factors: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {
            "name": self.name,
            "kind": self.kind,
            "loss": self.loss.to_json(),
            "factors": {name: _rounded(factor) for name, factor in self.factors.items()},
            "phi": {name: found.to_json() for name, found in self.phi.items()},
            "fis": [[list(names), found.to_json()] for names, found in self.fis.items()],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Return the model that `to_json` wrote."""
        return cls(
            name=value["name"],
            kind=value["kind"],
            loss=Estimate.from_json(value["loss"]),
            factors=dict(value["factors"]),
            phi={name: Estimate.from_json(found) for name, found in value["phi"].items()},
            fis={tuple(names): Estimate.from_json(found) for names, found in value["fis"]},
        )


@dataclass(frozen=True)
class Cloud:
    """The scores of one group of fields in all models of a set.

    Attributes:
        low: The least score of any model.
        high: The largest score of any model.
        reference: The score of the model that the set was explored around.
        mean: The mean over trained models; groups are ranked by its size.
        models: The number of models with a score of the group.
    """

    names: Names
    low: float
    high: float
    reference: Estimate
    mean: float
    models: int

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {
            "fields": list(self.names),
            "low": _rounded(self.low),
            "high": _rounded(self.high),
            "reference": self.reference.to_json(),
            "mean": _rounded(self.mean),
            "models": self.models,
        }


def clouds(models: Sequence[ScoredModel], order: int) -> list[Cloud]:
    """Return clouds of fields (1), pairs (2) or triples (3), the largest mean first; the first model is the reference.

    The sign of a score only tells the kind of interaction, so groups are ranked by size. Masked models widen clouds but
    do not rank: they are many around one model.
    """
    found: dict[Names, list[tuple[ScoredModel, Estimate]]] = {}
    for model in models:
        scores = {(name,): value for name, value in model.phi.items()} if order == 1 else model.fis
        for names, value in scores.items():
            if len(names) == order:
                found.setdefault(names, []).append((model, value))
    told = []
    for names, values in found.items():
        means = [value.mean for _, value in values]
        trained = [value.mean for model, value in values if not model.factors]
        told.append(Cloud(names, min(means), max(means), values[0][1], float(np.mean(trained)), len(values)))
    return sorted(told, key=lambda cloud: (-abs(cloud.mean), cloud.names))


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
