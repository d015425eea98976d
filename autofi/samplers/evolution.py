"""Regularised evolution."""

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

#: Trials that may have children: the youngest; and how many of them compete to have one.
POPULATION = 20
COMPETITORS = 5
#: Further changes that a child is given while it is one that was measured before.
CHANGES = 8
#: A number moves by a normal step of this share of its range.
STEP = 0.2


@register
class Evolution(Sampler):
    """The best of some of the youngest trials has a child that differs in one parameter; the old die, however good.

    A child that was born before is changed again. With several objectives the best is one that nobody among them beats
    in everything. Numbers, which the paper has none of, move by a normal step.
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
    """The first that is nearest to the limits and that none of those as near beats in everything."""
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
    # A step too small to be seen is one step.
    return value + 1 if value < found.high else value - 1
