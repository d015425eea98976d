"""Optuna's Gaussian process."""

from __future__ import annotations

from typing import Any

from optuna.samplers import GPSampler

from autofi.samplers.base import Sampler, SamplerContext
from autofi.samplers.optuna import RANDOM_TRIALS, ask
from autofi.samplers.registry import register


@register
class GaussianProcess(Sampler):
    """The largest expected improvement under a process with a Matérn kernel, fitted again for every proposal.

    A proposal takes some tenths of a second with a hundred trials, and the time grows with the cube of their number.
    """

    name = "gp"
    summary = "Gaussian process: the largest expected improvement; for tens of trials that take long"
    source = "https://proceedings.neurips.cc/paper/2012/hash/05311655a15b75fab86956663e1819cd-Abstract.html"

    def propose(self, question: SamplerContext) -> dict[str, Any]:
        return ask(question, GPSampler(n_startup_trials=RANDOM_TRIALS, seed=question.draw))
