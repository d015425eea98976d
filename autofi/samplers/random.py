"""Chance alone: what every other sampler is compared with."""

from __future__ import annotations

from typing import Any

from optuna.samplers import RandomSampler

from autofi.samplers.base import Sampler, SamplerContext
from autofi.samplers.optuna import ask
from autofi.samplers.registry import register


@register
class Random(Sampler):
    """Every parameter by itself, each value as likely as any other, by logarithm where the space says so."""

    name = "random"
    summary = "uniform draws; learns nothing, and is hard to beat in few trials"
    source = "https://jmlr.org/papers/v13/bergstra12a.html"

    def propose(self, question: SamplerContext) -> dict[str, Any]:
        return ask(question, RandomSampler(seed=question.draw))
