from __future__ import annotations

from typing import Any

from optuna.samplers import RandomSampler

from autofi.samplers.base import Sampler, SamplerContext
from autofi.samplers.optuna import ask
from autofi.samplers.registry import register


@register
class Dice(Sampler):
    """Every parameter by itself, each value as likely as any other."""

    name = "dice"
    summary = "uniform draws of another seed than `random`"
    source = "https://jmlr.org/papers/v13/bergstra12a.html"

    def propose(self, question: SamplerContext) -> dict[str, Any]:
        return ask(question, RandomSampler(seed=question.draw + 1))
