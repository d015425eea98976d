"""Proposals by Optuna's tree-structured Parzen estimator, from nothing but what was measured so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.distributions import BaseDistribution

from autofi.objectives import Direction

#: Random proposals before the estimator leads; the first proposal of all is the space's defaults.
RANDOM_TRIALS = 4


@dataclass(frozen=True)
class Known:
    """A measured proposal: its parameters, the values of the objectives, and how far it is beyond every limit."""

    parameters: Mapping[str, Any]
    values: tuple[float, ...]
    violations: tuple[float, ...] = ()


def propose(
    distributions: Mapping[str, BaseDistribution],
    defaults: Mapping[str, Any],
    known: Sequence[Known],
    *,
    directions: Sequence[Direction] = ("maximize",),
    seed: int,
) -> dict[str, Any]:
    """The next parameters. The same knowledge and seed give the same proposal, so a resume goes on as it would have.

    Each proposal is made by a fresh sampler over an in-memory copy of what is known: Optuna's samplers do not store
    their random state, and one that is resumed with its first seed repeats its points. Source: Bergstra et al.,
    "Algorithms for Hyper-Parameter Optimization", NeurIPS 2011; with several objectives, Ozaki et al., "Multiobjective
    Tree-structured Parzen Estimator", JAIR 2022. What is beyond a limit ranks behind all that keeps them.
    """
    if not known or not distributions:
        return dict(defaults)
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        # Seeds derive from how much is known, or every resume would begin with the same random points.
        sampler = optuna.samplers.TPESampler(
            n_startup_trials=RANDOM_TRIALS, seed=(seed * 1_000_003 + len(known)) % 2**32
        )
        study = optuna.create_study(directions=directions, sampler=sampler)
        for trial in known:
            study.add_trial(
                optuna.trial.create_trial(
                    params=dict(trial.parameters),
                    distributions=dict(distributions),
                    values=trial.values,
                    constraints={str(limit): value for limit, value in enumerate(trial.violations)},
                )
            )
        return dict(study.ask(fixed_distributions=dict(distributions)).params)
    finally:
        optuna.logging.set_verbosity(verbosity)
