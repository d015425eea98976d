"""Regularised (ageing) evolution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from autofi.objectives.objectives import Direction, pareto_front
from autofi.samplers.base import ObservedTrial, Sampler, SamplerContext
from autofi.samplers.optuna import RANDOM_TRIALS
from autofi.samplers.random import Random
from autofi.samplers.registry import register
from autofi.samplers.unit_range import place_of, value_at

#: Number of the youngest trials that may have children, and of those that compete to have one.
POPULATION = 20
COMPETITORS = 5
#: Most changes of a child, which is changed again as long as it equals a measured trial.
CHANGES = 8
#: A number moves by a normal step of this share of its range.
STEP = 0.2


@register
class Evolution(Sampler):
    """Regularised evolution: the best of some of the youngest trials has a child that differs in one parameter.

    Old trials have no children, however good they are. A child that equals a measured trial is changed again. With
    several objectives, the best is a trial that no competitor dominates. Numbers, which the paper does not have, move
    by a normal step.
    """

    name = "evolution"
    summary = (
        "regularised evolution: one change to the best of some of the youngest; any space, any objectives"
    )
    source = "https://arxiv.org/abs/1802.01548"

    def propose(self, question: SamplerContext) -> dict[str, Any]:
        if len(question.known) < RANDOM_TRIALS:
            return Random().propose(question)
        chance = np.random.default_rng(question.draw)
        living = question.known[-POPULATION:]
        rivals = chance.choice(len(living), size=min(COMPETITORS, len(living)), replace=False)
        parent = best_of([living[rival] for rival in rivals], question.directions)
        movable = [key for key, found in question.distributions.items() if not found.single()]
        child = dict(parent.parameters)
        for _ in range(CHANGES if movable else 0):
            key = movable[int(chance.integers(len(movable)))]
            child[key] = _moved(child[key], question.distributions[key], chance)
            if all(child != trial.parameters for trial in question.known):
                break
        return child


def best_of(trials: Sequence[ObservedTrial], directions: Sequence[Direction]) -> ObservedTrial:
    """Return the first of the trials nearest to the limits that no other of them dominates."""
    least = min(trial.beyond for trial in trials)
    nearest = [trial for trial in trials if trial.beyond == least]
    front = pareto_front([trial.values for trial in nearest], directions)
    return nearest[int(front.argmax())]


def _moved(value: Any, found: BaseDistribution, chance: np.random.Generator) -> Any:
    if isinstance(found, CategoricalDistribution):
        others = [choice for choice in found.choices if choice != value]
        return others[int(chance.integers(len(others)))]
    assert isinstance(found, FloatDistribution | IntDistribution)
    moved = value_at(place_of(value, found) + STEP * chance.standard_normal(), found)
    if moved != value or isinstance(found, FloatDistribution):
        return moved
    # A step that rounding removes becomes a step of 1.
    return value + 1 if value < found.high else value - 1
