"""Optuna's samplers asked for one point, over an in-memory copy of what is known.

They do not store their random state, and one that is resumed with its first seed repeats its points: each proposal is
made by a fresh sampler with a seed of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import optuna
from optuna.samplers import BaseSampler

from autofi.core.optuna_logging import quiet_optuna
from autofi.samplers.base import SamplerContext

#: Random proposals before an estimator leads; the first proposal of all is the space's defaults.
RANDOM_TRIALS = 4


def ask(
    question: SamplerContext,
    sampler: BaseSampler,
    attributes: Callable[[int], dict[str, Any]] = lambda number: {},
) -> dict[str, Any]:
    """What the sampler proposes; `attributes` are those that it would have kept with every trial."""
    with quiet_optuna():
        study = optuna.create_study(directions=list(question.directions), sampler=sampler)
        for number, trial in enumerate(question.known):
            study.add_trial(
                optuna.trial.create_trial(
                    params=dict(trial.parameters),
                    distributions=dict(question.distributions),
                    values=trial.values,
                    constraints={str(limit): value for limit, value in enumerate(trial.violations)},
                    system_attrs=attributes(number),
                )
            )
        return dict(study.ask(fixed_distributions=dict(question.distributions)).params)
