"""NNI's tuners by name: what each is started with, what it cannot do, and those that are refused.

Each was tried with NNI 3.0, the last there will be: its repository is archived.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from autofi.errors import ConfigError, nearest

if TYPE_CHECKING:
    from autofi.objectives.objectives import Direction

DEFAULT_TUNER = "TPE"
#: Individuals of NNI's evolution: as many trials are random first, 32 unless told.
POPULATION = 8


@dataclass(frozen=True)
class Tuner:
    """A tuner that works.

    takes     the arguments of its class that we set
    learns    whether it is told of trials that were measured before the experiment began
    at_once   trials at once that it stands; None: any number
    needs     packages that NNI does not bring
    """

    name: str
    summary: str
    takes: tuple[Literal["optimize_mode", "seed", "tpe_args", "population_size"], ...]
    learns: bool
    at_once: int | None = None
    needs: tuple[str, ...] = ()

    def arguments(self, direction: Direction, seed: int) -> dict[str, Any]:
        """The arguments of its class."""
        # Imports Optuna; a command's help, which lists the tuners, does without.
        from autofi.samplers.optuna import RANDOM_TRIALS

        known = {
            "optimize_mode": direction,
            "seed": seed,
            # NNI begins with 20 random trials, more than most searches of ours have in all.
            "tpe_args": {"n_startup_jobs": RANDOM_TRIALS},
            "population_size": POPULATION,
        }
        return {name: known[name] for name in self.takes}


TUNERS = {
    tuner.name: tuner
    for tuner in (
        Tuner(
            "TPE",
            "tree-structured Parzen estimator, each parameter by itself; learns from earlier trials",
            ("optimize_mode", "seed", "tpe_args"),
            learns=True,
        ),
        Tuner(
            "Anneal",
            "draws ever closer to the best points, by hyperopt; learns from earlier trials",
            ("optimize_mode",),
            learns=True,
            needs=("hyperopt",),
        ),
        # With more at once NNI tells it that trials ended which it has not begun, and it dies of that.
        Tuner(
            "Evolution",
            f"changes one parameter of the better of two, after {POPULATION} random trials; one trial at a time",
            ("optimize_mode", "population_size"),
            learns=False,
            at_once=1,
        ),
        Tuner("GridSearch", "all combinations, ranges by halves; skips what it is told of", (), learns=True),
        Tuner("Random", "uniform draws without repeats", ("seed",), learns=False),
    )
}


@dataclass(frozen=True)
class Refused:
    """A tuner of NNI that does not work here, and the nearest that does."""

    reason: str
    instead: str


_PARTIAL = "proposes trainings of a part of the epochs and goes on with the best: a trial of AutoFI is a whole training"

REFUSED = {
    "BOHB": Refused(
        f"fails in NNI 3.0 (nni/recoverable.py compares a text with a number) and {_PARTIAL}", "TPE"
    ),
    "Batch": Refused("wants every combination written down", "GridSearch"),
    "DNGO": Refused("needs the package pybnn, which no longer installs", "TPE"),
    "GP": Refused("fails in NNI 3.0 with scipy 1.17 ('x0' must only have one dimension)", "TPE"),
    "Hyperband": Refused(
        f"fails in NNI 3.0 (nni/recoverable.py compares a text with a number) and {_PARTIAL}", "Random"
    ),
    "Metis": Refused("takes numeric choices only, and a space has named ones", "TPE"),
    "PBT": Refused(
        "copies weights between trials that run on: a trial of AutoFI is a whole training", "Evolution"
    ),
    "PPO": Refused("needs the package gym, which is no longer kept", "TPE"),
    "SMAC": Refused("needs the package smac4nni, which no longer installs", "TPE"),
}


def get_tuner(name: str) -> Tuner:
    """The tuner of that name; raises ConfigError with the reason where it is refused, else with the nearest one."""
    if name in REFUSED:
        refused = REFUSED[name]
        raise ConfigError(f"NNI's tuner {name} {refused.reason}; take {refused.instead}.")
    if name not in TUNERS:
        raise ConfigError(f"No tuner of NNI named '{name}': {nearest(name, TUNERS)}")
    return TUNERS[name]
