"""Optuna's NSGA-II."""

from __future__ import annotations

from typing import Any

from optuna.samplers import NSGAIISampler

from autofi.samplers.base import Sampler, SamplerContext
from autofi.samplers.optuna import ask
from autofi.samplers.registry import register

#: Points of a generation: few, because trials are dear.
POPULATION = 12
_GENERATION = "NSGAIISampler:generation"


@register
class NSGA2(Sampler):
    """Crosses the points that no other is better than in everything, spread along the front.

    Generations are dealt by the order of the trials. Departs from the paper's hundreds of points a generation.
    """

    name = "nsga2"
    summary = "NSGA-II: crosses the points of the front; for several objectives and a hundred trials or more"
    source = "https://doi.org/10.1109/4235.996017"

    def propose(self, question: SamplerContext) -> dict[str, Any]:
        sampler = NSGAIISampler(population_size=POPULATION, seed=question.draw)
        return ask(question, sampler, lambda number: {_GENERATION: number // POPULATION})
