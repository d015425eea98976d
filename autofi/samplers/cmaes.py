"""Covariance matrix adaptation (CMA-ES), for spaces of numbers."""

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
#: Loss of a point beyond a limit, to which its violation is added: all such points rank behind those within the limits.
BEYOND = 1e6


@register
class CMAES(Sampler):
    """CMA-ES: a normal distribution that the better half of each generation moves and shapes, starting at the defaults.

    For every proposal the generations are replayed in the order of the trials, which takes milliseconds for a thousand.
    """

    name = "cmaes"
    summary = "CMA-ES: a normal distribution that moves with the better half; numbers only, one objective"
    source = "https://arxiv.org/abs/1604.00772"

    def unsupported_reason(self, distributions: Distributions, objectives: int) -> str | None:
        named = [key for key, found in distributions.items() if not isinstance(found, Range)]
        if named:
            return f"needs a space of numbers, and '{named[0]}' has choices"
        if len(distributions) < 2:
            return f"needs two parameters or more, and the space has {len(distributions)}"
        return None if objectives == 1 else f"supports one objective, and there are {objectives}"

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
    """Return the distributions as ranges; `unsupported_reason` has refused all others."""
    return {key: found for key, found in distributions.items() if isinstance(found, Range)}


def _place(parameters: Any, ranges: Mapping[str, Range]) -> npt.NDArray[np.float64]:
    """Return the place of every parameter in its range."""
    return np.array([place_of(parameters[key], found) for key, found in ranges.items()])
