"""Reliances and feature interaction scores of many models, with their intervals and clouds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

#: Fields by name, in the order of the data.
Names = tuple[str, ...]
CONFIDENCE = 0.95
#: Significant digits that are kept of a score.
DIGITS = 6


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % interval."""

    mean: float
    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Whether the value lies in the interval."""
        return self.low <= value <= self.high

    def to_json(self) -> list[float]:
        return [_rounded(value) for value in (self.mean, self.low, self.high)]

    @classmethod
    def from_json(cls, value: Sequence[float]) -> Self:
        return cls(*map(float, value))


def estimate(repeats: npt.NDArray[np.floating]) -> Estimate:
    """By repeats on rows of their own, `[repeats]`, or of several models on the same, `[models, repeats]`.

    A t interval: how the mean of one model varies with its rows, and beside that how models vary, their degrees of
    freedom joined as Welch and Satterthwaite do.
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
    """A model of the set.

    kind     "winner", "retrained", "trial", "finalist", "baseline", or "masked": explored around the reference
    loss     logloss of the drawn rows
    factors  of a masked model, what each field is multiplied by that is not left as it is
    phi      reliance by field
    fis      interaction score by pair, and by triple; of a model masked at a pair that pair's alone
    """

    name: str
    kind: str
    loss: Estimate
    phi: Mapping[str, Estimate]
    fis: Mapping[Names, Estimate]
    factors: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
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
        """The model of `to_json`."""
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
    """What the models of a set say of one group of fields.

    low, high   least and largest score of any model
    reference   that of the model the set was explored around
    mean        over trained models: by its size groups are ranked
    models      how many have a score of the group
    """

    names: Names
    low: float
    high: float
    reference: Estimate
    mean: float
    models: int

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "fields": list(self.names),
            "low": _rounded(self.low),
            "high": _rounded(self.high),
            "reference": self.reference.to_json(),
            "mean": _rounded(self.mean),
            "models": self.models,
        }


def clouds(models: Sequence[ScoredModel], order: int) -> list[Cloud]:
    """Clouds of fields (1), pairs (2) or triples (3), the largest mean size first; the first model is the reference.

    A score says of its sign only which kind of interaction it is, so that groups are ranked without it. Masked models
    widen clouds and rank nothing: they are many around one model.
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
