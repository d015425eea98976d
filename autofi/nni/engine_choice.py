"""What is asked for as an engine, checked before any work."""

from __future__ import annotations

from pathlib import Path

from autofi.core.option_names import DEFAULT_SAMPLER, ENGINES, NNI
from autofi.errors import ConfigError, nearest
from autofi.nni.candidates import Tuning
from autofi.nni.interpreter import find_nni
from autofi.nni.tuners import DEFAULT_TUNER, get_tuner
from autofi.objectives.objectives import Goals


def choose_engine(
    engine: str, tuner: str | None, python: str | Path | None, *, sampler: str | None, workers: int
) -> Tuning | None:
    """What NNI is to do; None where it proposes nothing.

    Raises ConfigError for what does not go together, and MissingDependencyError where NNI is not found.
    """
    if engine not in ENGINES:
        raise ConfigError(f"No engine named '{engine}': {nearest(engine, ENGINES)}")
    if engine != NNI:
        if tuner is not None:
            raise ConfigError(
                f"Tuners are NNI's: found the tuner '{tuner}' without --engine nni; or give --sampler."
            )
        return None
    if sampler not in (None, DEFAULT_SAMPLER):
        raise ConfigError(f"With --engine nni a tuner proposes: found the sampler '{sampler}'; give --tuner.")
    if workers > 1:
        raise ConfigError(
            f"A tuner of NNI proposes to one process: found {workers} workers; train several at once with --jobs."
        )
    chosen = get_tuner(tuner or DEFAULT_TUNER)
    return Tuning(chosen, find_nni(python, chosen))


def check_single(goals: Goals) -> None:
    """Raise ConfigError where a study has more to it than the one number that a tuner of NNI is told."""
    if len(goals.names) > 1 or goals.limits:
        told = ", ".join([*goals.names, *map(str, goals.limits)])
        raise ConfigError(
            f"A tuner of NNI is told one number, without limits: found {told}; leave all but one objective out, or "
            "take --engine optuna."
        )
