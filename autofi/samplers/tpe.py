"""Optuna's tree-structured Parzen estimator."""

from __future__ import annotations

from typing import Any

from optuna.samplers import TPESampler

from autofi.samplers.base import Sampler, SamplerContext
from autofi.samplers.optuna import RANDOM_TRIALS, ask
from autofi.samplers.registry import register


@register
class TPE(Sampler):
    """The tree-structured Parzen estimator: it draws where good points are dense and others are not.

    For several objectives, see Ozaki et al., "Multiobjective Tree-structured Parzen Estimator", JAIR 2022. Points
    beyond a limit rank behind all that keep them.
    """

    name = "tpe"
    summary = "tree-structured Parzen estimator: draws where good points are dense; any space, any objectives"
    source = "https://proceedings.neurips.cc/paper/2011/hash/86e8f7ab32cfd12577bc2619bc635690-Abstract.html"

    def propose(self, question: SamplerContext) -> dict[str, Any]:
        return ask(question, TPESampler(n_startup_trials=RANDOM_TRIALS, seed=question.draw))
