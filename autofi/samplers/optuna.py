"""Proposals of Optuna's samplers, over an in-memory study of the known trials.

Optuna's samplers do not store their random state, and a resumed one with its first seed would repeat its points. So
each proposal is made by a new sampler with its own seed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import optuna
from optuna.samplers import BaseSampler

from autofi.core.optuna_logging import quiet_optuna
from autofi.samplers.base import SamplerContext

#: Random proposals before an estimator takes over; the very first proposal is the space's defaults.
RANDOM_TRIALS = 4


def ask(
    question: SamplerContext,
    sampler: BaseSampler,
    attributes: Callable[[int], dict[str, Any]] = lambda number: {},
) -> dict[str, Any]:
    """Return the proposal of an Optuna sampler.

    Args:
        question: The inputs.
        sampler: The sampler.
        attributes: System attributes that the sampler would have stored with a trial, by the trial's number.
    """
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
