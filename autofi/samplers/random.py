"""Random search, with which every other sampler is compared."""

from __future__ import annotations

from typing import Any

from optuna.samplers import RandomSampler

from autofi.samplers.base import Sampler, SamplerContext
from autofi.samplers.optuna import ask
from autofi.samplers.registry import register


@register
class Random(Sampler):
    """Independent uniform draws of all parameters, on a logarithmic scale where the space says so."""

    name = "random"
    summary = "uniform draws; learns nothing, and is hard to beat in few trials"
    source = "https://jmlr.org/papers/v13/bergstra12a.html"

    def propose(self, question: SamplerContext) -> dict[str, Any]:
        return ask(question, RandomSampler(seed=question.draw))
