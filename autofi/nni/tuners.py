"""NNI's tuners by name: arguments and limits of those that work, and those that are refused.

Each was tried with NNI 3.0, the last version: its repository is archived.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from autofi.errors import ConfigError, nearest

if TYPE_CHECKING:
    from autofi.objectives.objectives import Direction

DEFAULT_TUNER = "TPE"
#: Individuals of NNI's evolution: this many trials are random first; NNI's default is 32.
POPULATION = 8


@dataclass(frozen=True)
class Tuner:
    """A tuner that works.

    Attributes:
        takes: The arguments of its class that we set.
        learns: True if it takes trials that were measured before the experiment began.
        at_once: The most trials at once that it supports; None for any number.
        needs: Packages that NNI does not install.
    """

    name: str
    summary: str
    takes: tuple[Literal["optimize_mode", "seed", "tpe_args", "population_size"], ...]
    learns: bool
    at_once: int | None = None
    needs: tuple[str, ...] = ()

    def arguments(self, direction: Direction, seed: int) -> dict[str, Any]:
        """Return the arguments of its class."""
        # Imports Optuna; a command's help, which lists the tuners, does without.
        from autofi.samplers.optuna import RANDOM_TRIALS

        known = {
            "optimize_mode": direction,
            "seed": seed,
            # NNI starts with 20 random trials, more than most of our searches have in all.
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
            "samples ever closer to the best points, by hyperopt; learns from earlier trials",
            ("optimize_mode",),
            learns=True,
            needs=("hyperopt",),
        ),
        # With more at once NNI reports the end of trials that it has not begun, and it crashes.
        Tuner(
            "Evolution",
            f"changes one parameter of the better of two, after {POPULATION} random trials; one trial at a time",
            ("optimize_mode", "population_size"),
            learns=False,
            at_once=1,
        ),
        Tuner("GridSearch", "all combinations, ranges by halves; skips earlier trials", (), learns=True),
        Tuner("Random", "uniform draws without repeats", ("seed",), learns=False),
    )
}


@dataclass(frozen=True)
class Refused:
    """A tuner of NNI that does not work here, and the nearest one that does."""

    reason: str
    instead: str


_PARTIAL = (
    "trains for some of the epochs and continues with the best, but a trial of AutoFI is a whole training"
)

REFUSED = {
    "BOHB": Refused(
        f"fails in NNI 3.0 (nni/recoverable.py compares a text with a number) and {_PARTIAL}", "TPE"
    ),
    "Batch": Refused("needs a list of every combination", "GridSearch"),
    "DNGO": Refused("needs the package pybnn, which no longer installs", "TPE"),
    "GP": Refused("fails in NNI 3.0 with scipy 1.17 ('x0' must only have one dimension)", "TPE"),
    "Hyperband": Refused(
        f"fails in NNI 3.0 (nni/recoverable.py compares a text with a number) and {_PARTIAL}", "Random"
    ),
    "Metis": Refused("takes numeric choices only, and a space has named ones", "TPE"),
    "PBT": Refused(
        "copies weights between running trials, but a trial of AutoFI is a whole training", "Evolution"
    ),
    "PPO": Refused("needs the package gym, which is no longer maintained", "TPE"),
    "SMAC": Refused("needs the package smac4nni, which no longer installs", "TPE"),
}


def get_tuner(name: str) -> Tuner:
    """Return the tuner of that name.

    Raises:
        ConfigError: The tuner is refused, with the reason, or unknown, with the nearest name.
    """
    if name in REFUSED:
        refused = REFUSED[name]
        raise ConfigError(f"NNI's tuner {name} {refused.reason}; take {refused.instead}.")
    if name not in TUNERS:
        raise ConfigError(f"No tuner of NNI named '{name}': {nearest(name, TUNERS)}")
    return TUNERS[name]
