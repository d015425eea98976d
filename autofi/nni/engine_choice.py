"""The choice of an engine, checked before any work."""

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
    """Return the tuning by NNI that was asked for; None if NNI proposes nothing.

    Raises:
        ConfigError: Options do not go together.
        MissingDependencyError: NNI is not found.
    """
    if engine not in ENGINES:
        raise ConfigError(f"No engine named '{engine}': {nearest(engine, ENGINES)}")
    if engine != NNI:
        if tuner is not None:
            raise ConfigError(
                f"The tuner '{tuner}' is given without --engine nni, and tuners are NNI's; add it, or give --sampler."
            )
        return None
    if sampler not in (None, DEFAULT_SAMPLER):
        raise ConfigError(
            f"The sampler '{sampler}' is given with --engine nni, where a tuner proposes; give --tuner."
        )
    if workers > 1:
        raise ConfigError(
            f"workers is {workers}, but a tuner of NNI proposes to one process; train several at once with --jobs."
        )
    chosen = get_tuner(tuner or DEFAULT_TUNER)
    return Tuning(chosen, find_nni(python, chosen))


def check_single(goals: Goals) -> None:
    """Check that a study has a single objective and no limits, as a tuner of NNI takes one number.

    Raises:
        ConfigError: It has more.
    """
    if len(goals.names) > 1 or goals.limits:
        told = ", ".join([*goals.names, *map(str, goals.limits)])
        raise ConfigError(
            f"The study has {told}, but a tuner of NNI takes one number, without limits; leave all but one objective "
            "out, or take --engine optuna."
        )
