"""Optuna's NSGA-II."""

from __future__ import annotations

from typing import Any

from optuna.samplers import NSGAIISampler

from autofi.samplers.base import Sampler, SamplerContext
from autofi.samplers.optuna import ask
from autofi.samplers.registry import register

#: Points of a generation: few, because trials are expensive.
POPULATION = 12
_GENERATION = "NSGAIISampler:generation"


@register
class NSGA2(Sampler):
    """NSGA-II: it crosses points of the Pareto front that are spread along it.

    Generations follow the order of the trials. Unlike in the paper, a generation has few points, not hundreds.
    """

    name = "nsga2"
    summary = "NSGA-II: crosses the points of the front; for several objectives and a hundred trials or more"
    source = "https://doi.org/10.1109/4235.996017"

    def propose(self, question: SamplerContext) -> dict[str, Any]:
        sampler = NSGAIISampler(population_size=POPULATION, seed=question.draw)
        return ask(question, sampler, lambda number: {_GENERATION: number // POPULATION})
