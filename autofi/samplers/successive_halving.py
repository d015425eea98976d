"""Successive halving: the decision if a trial goes on to the next rung, by Optuna's pruners.

A trial climbs rungs, each with several times the training rows of the one before. Optuna's pruners store their state
with the trials of a study, and do not support several objectives. So for a decision all trials climb again in a study
in memory, with one number per rung, and any worker decides as any other would.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
import optuna
from optuna.pruners import BasePruner, HyperbandPruner, SuccessiveHalvingPruner

from autofi.core.option_names import Fidelity
from autofi.core.optuna_logging import quiet_optuna
from autofi.errors import ConfigError, nearest
from autofi.objectives.objectives import Direction, dominates
from autofi.samplers.base import ObservedTrial

#: One of this many trials on a rung goes on, and the next rung has this many times the rows.
FACTOR = 3
#: Shares of the training rows, rung by rung.
RUNGS = (1 / 9, 1 / 3, 1.0)
#: Resources are counted in lowest rungs.
PRUNERS: Mapping[str, Callable[[], BasePruner]] = {
    "halving": lambda: SuccessiveHalvingPruner(min_resource=1, reduction_factor=FACTOR),
    "hyperband": lambda: HyperbandPruner(
        min_resource=1, max_resource=FACTOR ** (len(RUNGS) - 1), reduction_factor=FACTOR
    ),
}


def check_fidelity(name: str) -> Fidelity:
    """Return the fidelity of that name.

    Raises:
        ConfigError: The name is unknown; the message has the nearest one.
    """
    for known in get_args(Fidelity):
        if known == name:
            return known  # type: ignore[no-any-return]
    raise ConfigError(f"No fidelity named '{name}': {nearest(name, get_args(Fidelity))}")


def rungs_of(fidelity: Fidelity) -> tuple[float, ...]:
    """Return the shares of the training rows that a trial is trained on, one after the other."""
    return RUNGS[-1:] if fidelity == "full" else RUNGS


def first_rung(fidelity: Fidelity, number: int, *, study: str) -> int:
    """Return the rung on which a trial begins; some brackets of Hyperband skip lower rungs."""
    for rung in range(len(RUNGS) - 1):
        # A trial with the value NaN is stopped on every rung with a decision.
        worst = RungHistory(number, {rung: (math.nan,)})
        if not should_continue(fidelity, worst, [], directions=["maximize"], study=study):
            return rung
    return len(rungs_of(fidelity)) - 1


def should_continue(
    fidelity: Fidelity,
    climb: RungHistory,
    others: Sequence[RungHistory],
    *,
    directions: Sequence[Direction],
    study: str,
) -> bool:
    """Return True if a trial is among the best third of those that have been on its rung.

    With several objectives, trials on a rung are ranked by the number of others that dominate them. Hyperband assigns
    trials to brackets by the study's name and their numbers, and compares within a bracket.

    Args:
        fidelity: The fidelity.
        climb: The trial.
        others: The other trials.
        directions: Direction of every objective.
        study: Name of the study.
    """
    if fidelity == "full" or len(RUNGS) - 1 in climb.rungs:
        return True
    known = {other.number: other for other in others} | {climb.number: climb}
    with quiet_optuna():
        memory = optuna.create_study(study_name=study, pruner=PRUNERS[fidelity]())
        # Every trial keeps its number, or Hyperband would assign it to another bracket.
        trials = [memory.ask() for _ in range(max(known) + 1)]
        for number in sorted(known, key=lambda number: number == climb.number):
            stops = False
            for rung in sorted(known[number].rungs):
                trials[number].report(_rank(known[number], rung, known.values(), directions), FACTOR**rung)
                stops = trials[number].should_prune()
    return not stops


def _rank(
    climb: RungHistory, rung: int, climbs: Collection[RungHistory], directions: Sequence[Direction]
) -> float:
    """Return the rank of a trial on a rung, less is better: its loss, or the number of trials that dominate it."""
    mine = ObservedTrial({}, climb.rungs[rung]).losses(directions)
    if len(mine) == 1:
        return mine[0]
    there = [
        ObservedTrial({}, other.rungs[rung]).losses(directions) for other in climbs if rung in other.rungs
    ]
    return float(np.count_nonzero(dominates(there, mine)))


@dataclass(frozen=True)
class RungHistory:
    """A trial by its number, with the values of the objectives on every rung it has been on."""

    number: int
    rungs: Mapping[int, tuple[float, ...]]
