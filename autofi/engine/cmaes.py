"""Covariance matrix adaptation, where every parameter is a number."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from cmaes import CMA
from optuna.distributions import FloatDistribution, IntDistribution

from autofi.engine.base import Distributions, Known, Question, Sampler
from autofi.engine.registry import register

#: The first generation's deviation, as a share of every range.
DEVIATION = 0.25
#: What stands for a point beyond a limit: behind all that keep them, by how far it is beyond.
BEYOND = 1e6

Numeric = FloatDistribution | IntDistribution


@register
class CMAES(Sampler):
    """A normal distribution that is moved and shaped by the better half of each generation, from the defaults on.

    Generations are replayed for every proposal, by the order of the trials: milliseconds at a thousand of them.
    """

    name = "cmaes"
    summary = "CMA-ES: a normal distribution that moves with the better half; numbers only, one objective"
    source = "https://arxiv.org/abs/1604.00772"

    def refusal(self, distributions: Distributions, objectives: int) -> str | None:
        named = [key for key, found in distributions.items() if not isinstance(found, Numeric)]
        if named:
            return f"needs a space of numbers: '{named[0]}' has choices"
        if len(distributions) < 2:
            return f"needs two parameters or more: the space has {len(distributions)}"
        return None if objectives == 1 else f"knows one objective: there are {objectives}"

    def propose(self, question: Question) -> dict[str, Any]:
        ranges = question.distributions
        mean = _place(question.defaults, ranges)
        rest = np.array([[0.0, 1.0]] * len(ranges))
        model = CMA(mean=mean, sigma=DEVIATION, bounds=rest, seed=question.seed % 2**32)
        size = model.population_size
        for start in range(0, len(question.known) - size + 1, size):
            told = question.known[start : start + size]
            model.tell([(_place(trial.parameters, ranges), _loss(trial, question)) for trial in told])
        model._rng = np.random.RandomState(question.draw)
        point = model.ask()
        return {key: _value(share, found) for share, (key, found) in zip(point, ranges.items(), strict=True)}


def _loss(trial: Known, question: Question) -> float:
    beyond = sum(max(0.0, violation) for violation in trial.violations)
    if beyond:
        return BEYOND + beyond
    return -trial.values[0] if question.directions[0] == "maximize" else trial.values[0]


def _place(parameters: Any, ranges: Distributions) -> npt.NDArray[np.float64]:
    """Where every parameter lies in its range, from 0 to 1."""
    return np.array([_share(parameters[key], found) for key, found in ranges.items()])


def _share(value: float, found: Any) -> float:
    low, high, value = (math.log(part) if found.log else part for part in (found.low, found.high, value))
    return (value - low) / (high - low) if high > low else 0.5


def _value(share: float, found: Any) -> float | int:
    share = float(min(max(share, 0.0), 1.0))
    low, high = (math.log(part) if found.log else part for part in (found.low, found.high))
    value: float = low + share * (high - low)
    value = min(max(math.exp(value) if found.log else value, found.low), found.high)
    return round(value) if isinstance(found, IntDistribution) else value
