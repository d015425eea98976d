"""Covariance matrix adaptation, where every parameter is a number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from cmaes import CMA

from autofi.objectives.objectives import Direction
from autofi.samplers.base import Distributions, ObservedTrial, Sampler, SamplerContext
from autofi.samplers.registry import register
from autofi.samplers.unit_range import Range, place_of, value_at

#: The first generation's deviation, as a share of every range.
DEVIATION = 0.25
#: What stands for a point beyond a limit: behind all that keep them, by how far it is beyond.
BEYOND = 1e6


@register
class CMAES(Sampler):
    """A normal distribution that is moved and shaped by the better half of each generation, from the defaults on.

    Generations are replayed for every proposal, by the order of the trials: milliseconds at a thousand of them.
    """

    name = "cmaes"
    summary = "CMA-ES: a normal distribution that moves with the better half; numbers only, one objective"
    source = "https://arxiv.org/abs/1604.00772"

    def refusal(self, distributions: Distributions, objectives: int) -> str | None:
        named = [key for key, found in distributions.items() if not isinstance(found, Range)]
        if named:
            return f"needs a space of numbers: '{named[0]}' has choices"
        if len(distributions) < 2:
            return f"needs two parameters or more: the space has {len(distributions)}"
        return None if objectives == 1 else f"knows one objective: there are {objectives}"

    def propose(self, question: SamplerContext) -> dict[str, Any]:
        ranges = _ranges(question.distributions)
        mean = _place(question.defaults, ranges)
        rest = np.array([[0.0, 1.0]] * len(ranges))
        model = CMA(mean=mean, sigma=DEVIATION, bounds=rest, seed=question.seed % 2**32)
        size = model.population_size
        for start in range(0, len(question.known) - size + 1, size):
            told = question.known[start : start + size]
            model.tell(
                [(_place(trial.parameters, ranges), _loss(trial, question.directions)) for trial in told]
            )
        model._rng = np.random.RandomState(question.draw)
        point = model.ask()
        return {
            key: value_at(float(place), found)
            for place, (key, found) in zip(point, ranges.items(), strict=True)
        }


def _loss(trial: ObservedTrial, directions: Sequence[Direction]) -> float:
    return BEYOND + trial.beyond if trial.beyond else trial.losses(directions)[0]


def _ranges(distributions: Distributions) -> dict[str, Range]:
    """All of them: `refusal` lets nothing else through."""
    return {key: found for key, found in distributions.items() if isinstance(found, Range)}


def _place(parameters: Any, ranges: Mapping[str, Range]) -> npt.NDArray[np.float64]:
    """Where every parameter lies in its range."""
    return np.array([place_of(parameters[key], found) for key, found in ranges.items()])
