"""Halos: the models around one whose fields, each alone, cost a given loss; their joint loss shows interaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any, Literal, Self, get_args

import numpy as np

from autofi.errors import ConfigError, nearest
from autofi.importance.interaction_scores import Estimate, Names, estimate
from autofi.importance.model_reliance import Floats, Group
from autofi.rashomon.masks import DOWN, UP, Neighbours

#: By direction, half the width of the band, in logloss, in which pairs lie that do not interact.
Widths = Mapping[tuple[float, ...], float]
#: The fewest pairs from which that band can be estimated.
FEWEST_PAIRS = 5
#: For a normal distribution: a standard deviation, and 95 % on both sides, in median distances.
MEDIAN_TO_DEVIATION, NORMAL_95 = 1.4826, 1.96
#: The reference that a masked group is compared with.
Counterpart = Literal["logits", "losses"]


@dataclass(frozen=True)
class HaloPoint:
    """One model whose fields are masked together.

    Attributes:
        direction: By field, the most of the budget that its factor alone costs, as a share; below 0 if the factor is
            below 1.
        factors: Factors by field, of the first network.
        loss: Logloss beyond that of the network itself: the published radius.
        interaction: The part of that loss beyond the counterpart's: 0 if the fields do not interact.
    """

    direction: tuple[float, ...]
    factors: tuple[float, ...]
    loss: Estimate
    interaction: Estimate

    def on_circle(self, width: float = 0.0) -> bool:
        """Return True if the interval meets the circle, or a band of this width on either side of it, in logloss."""
        return self.interaction.low <= width and self.interaction.high >= -width

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {
            "direction": list(self.direction),
            "factors": list(self.factors),
            "loss": self.loss.to_json(),
            "interaction": self.interaction.to_json(),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Return the point that `to_json` wrote."""
        return cls(
            direction=tuple(value["direction"]),
            factors=tuple(value["factors"]),
            loss=Estimate.from_json(value["loss"]),
            interaction=Estimate.from_json(value["interaction"]),
        )


@dataclass(frozen=True)
class Halo:
    """The points around a pair or a triple; `budget` is the radius of the circle, in logloss."""

    names: Names
    budget: float
    points: tuple[HaloPoint, ...]

    def on_circle(self, widths: Widths | None = None) -> float:
        """Return the share of points whose interval meets the circle, or the band around it; see `bands`."""
        known = widths or {}
        return float(np.mean([point.on_circle(known.get(point.direction, 0.0)) for point in self.points]))

    @property
    def deviation(self) -> float:
        """The largest distance of a point from the circle, as a share of its radius."""
        return max(abs(point.interaction.mean) for point in self.points) / self.budget

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {
            "fields": list(self.names),
            "budget": self.budget,
            "points": [point.to_json() for point in self.points],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Return the halo that `to_json` wrote."""
        return cls(
            tuple(value["fields"]),
            float(value["budget"]),
            tuple(HaloPoint.from_json(point) for point in value["points"]),
        )


def bands(halos: Sequence[Halo]) -> Widths:
    """Return the distance from the circle of pairs that do not interact, by direction.

    A network bends its logit a little wherever it leaves the region of its training rows, whichever two fields do it.
    That is not chance, so more rows do not make it smaller, and it says nothing about the two fields. It is estimated
    from the pairs themselves, few of which interact: 95 % of a normal distribution with their median distance. With
    fewer than FEWEST_PAIRS pairs there are no bands.
    """
    distances: dict[tuple[float, ...], list[float]] = {}
    for found in halos:
        for point in found.points:
            distances.setdefault(point.direction, []).append(abs(point.interaction.mean))
    return {
        direction: NORMAL_95 * MEDIAN_TO_DEVIATION * float(np.median(found))
        for direction, found in distances.items()
        if len(found) >= FEWEST_PAIRS
    }


def check_counterpart(name: str) -> None:
    """Check the name of a counterpart.

    Raises:
        ConfigError: There is no such counterpart; the message names the nearest.
    """
    if name not in get_args(Counterpart):
        raise ConfigError(f"A halo has no counterpart '{name}': {nearest(name, get_args(Counterpart))}")


def halo(
    models: Sequence[Neighbours],
    group: Group,
    names: Sequence[str],
    *,
    steps: int,
    counterpart: Counterpart = "logits",
) -> Halo:
    """Return the halo of two or three fields, of one network or of the seeds of an architecture on the same rows.

    The budget is cut into `steps`, which are divided in every way in which each field has at least one, and each
    field's factor goes up or down until that field alone costs its part: 4 quadrants of `steps - 1` points for a pair
    (the published 36 with 10 steps), 8 octants for a triple.

    As published, a point's radius is its loss, the circle's the budget. That shows "interaction" of two fields whose
    losses do not add up for other reasons: a factor that ends at its bound costs less than its part, and logloss is not
    a sum of the fields' contributions to the logit. So the interaction is separated by a counterpart:

    - "losses": the sum of the fields' own losses;
    - "logits": the loss of the logit to which each field adds what it adds alone, `z + Σ (z_i - z)`. A network whose
      logit is a sum over fields has interaction 0 at every point, in any loss.

    Raises:
        ConfigError: There are too few steps for the fields.
    """
    check_counterpart(counterpart)
    if steps <= len(group):
        raise ConfigError(f"steps is {steps}; give a halo of {len(group)} fields {len(group) + 1} or more.")
    points = []
    for shares in _shares(steps, len(group)):
        for signs in product((UP, DOWN), repeat=len(group)):
            measured = [_measured(model, group, shares, signs, counterpart) for model in models]
            points.append(
                HaloPoint(
                    direction=tuple(sign * share for sign, share in zip(signs, shares, strict=True)),
                    factors=tuple(_factors(models[0], group, shares, signs).values()),
                    loss=estimate(np.stack([loss for loss, _ in measured])),
                    interaction=estimate(np.stack([apart for _, apart in measured])),
                )
            )
    budget = float(np.mean([model.budget for model in models]))
    return Halo(tuple(names[place] for place in group), budget, tuple(points))


def _shares(steps: int, parts: int) -> list[tuple[float, ...]]:
    """Return every way to cut 1 into this many parts, each a whole number of steps."""
    cuts = combinations(range(1, steps), parts - 1)
    return [
        tuple((stop - start) / steps for start, stop in zip((0, *cut), (*cut, steps), strict=True))
        for cut in cuts
    ]


def _factors(
    model: Neighbours, group: Group, shares: Sequence[float], signs: Sequence[int]
) -> dict[int, float]:
    return {
        place: model.factor(place, sign, share)
        for place, sign, share in zip(group, signs, shares, strict=True)
    }


def _measured(
    model: Neighbours, group: Group, shares: Sequence[float], signs: Sequence[int], counterpart: Counterpart
) -> tuple[Floats, Floats]:
    """Return, for each repeat, the loss beyond the network's, and the part of it that is interaction."""
    factors = _factors(model, group, shares, signs)
    loss = model.loss_of(model.logits_of(factors)) - model.loss
    alone = [model.logits_alone(place, factor) for place, factor in factors.items()]
    if counterpart == "losses":
        return loss, loss - sum(model.loss_of(logits) - model.loss for logits in alone)
    added = model.logits + sum(logits - model.logits for logits in alone)
    return loss, loss - (model.loss_of(added) - model.loss)
