"""Objectives of a search, which it optimizes, and limits, which its winner keeps."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from autofi.core.units import short
from autofi.errors import ConfigError, nearest

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Direction = Literal["maximize", "minimize"]

#: Suffixes of a number in a limit and their factors, by the unit of the objective.
_FACTORS: Mapping[str, Mapping[str, float]] = {
    "": {},
    "count": {"k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12},
    "B": {
        **{"B": 1.0, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12},
        **{"KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30, "TiB": 2.0**40},
    },
    "us": {"us": 1.0, "µs": 1.0, "ms": 1e3, "s": 1e6},
}
_NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*([^\W\d_]*)")
_LIMIT = re.compile(r"\s*([^<>=\s]+)\s*(<=|>=)\s*(\S.*?)\s*")


@dataclass(frozen=True)
class Objective:
    """A metric or cost of an architecture that a search can optimize.

    Attributes:
        name: Name in options and files.
        direction: `maximize` or `minimize`.
        unit: "count", "B" (bytes), "us" (microseconds), or "" for a metric between 0 and 1 or in nats.
        label: Title of an axis or a column.
        sentence: Explanation for the user.
    """

    name: str
    direction: Direction
    unit: str
    label: str
    sentence: str

    @property
    def of_validation(self) -> str:
        """The label in a sentence, such as "validation AUC"."""
        return self.label.replace("valid ", "validation ")

    def loss(self, value: float) -> float:
        """Return the value with its sign turned so that less is better."""
        return as_loss(value, self.direction)

    def told(self, value: float) -> str:
        """Return the value as text: a metric with four decimals, a cost with about three digits and its unit."""
        if not self.unit:
            return f"{value:.4f}"
        if self.unit == "us":
            return f"{value:,.0f} us" if value >= 99.95 else f"{value:.1f} us"
        return short(value, unit=self.unit.removeprefix("count"))

    def read(self, text: str) -> float:
        """Return the value of a text such as `50MB`, `200us` or `0.7`.

        Raises:
            ConfigError: The text is not a value of this objective.
        """
        found = _NUMBER.fullmatch(text.strip())
        factors = _FACTORS[self.unit]
        if found is None or (found[2] and found[2] not in factors):
            known = f", which one of {', '.join(factors)} may follow" if factors else ""
            raise ConfigError(f"The limit of {self.name} is '{text}'; write a number{known}.")
        value = float(found[1]) * factors.get(found[2], 1.0)
        if not math.isfinite(value) or value < 0:
            raise ConfigError(f"The limit of {self.name} is '{text}'; write a finite number of at least 0.")
        if self.direction == "maximize" and value > 1:
            raise ConfigError(f"The limit of {self.name} is '{text}'; write a number between 0 and 1.")
        return value


OBJECTIVES: Mapping[str, Objective] = {
    objective.name: objective
    for objective in (
        Objective("auc", "maximize", "", "valid AUC", "AUC on the validation rows"),
        Objective("logloss", "minimize", "", "valid logloss", "logloss on the validation rows, in nats"),
        Objective(
            "gauc",
            "maximize",
            "",
            "valid GAUC",
            "AUC within groups on the validation rows; needs a group column",
        ),
        Objective("parameters", "minimize", "count", "parameters", "trained numbers"),
        Objective(
            "table_bytes",
            "minimize",
            "B",
            "table bytes",
            "bytes of tables, vocabularies, crosses, statistics and trees",
        ),
        Objective("flops", "minimize", "count", "FLOPs", "operations of the matrix products of one row"),
        Objective(
            "latency",
            "minimize",
            "us",
            "latency (us)",
            "time to score one encoded row on one processor thread",
        ),
    )
}


#: The objectives that are costs of a model; the others are metrics.
COSTS = tuple(name for name, objective in OBJECTIVES.items() if objective.unit)


@dataclass(frozen=True)
class Limit:
    """A bound on an objective, in its own unit, that a winner keeps."""

    name: str
    bound: float
    at_most: bool

    @classmethod
    def parse(cls, text: str) -> Limit:
        """Return the limit of a text such as `table_bytes<=50MB` or `auc>=0.7`.

        Raises:
            ConfigError: The text is not a limit.
        """
        found = _LIMIT.fullmatch(text)
        if found is None:
            raise ConfigError(
                f"The limit '{text}' is not a name, <= or >=, and a value; write it like table_bytes<=50MB."
            )
        return cls(found[1], _objective(found[1]).read(found[3]), found[2] == "<=")

    def __str__(self) -> str:
        return f"{self.name}{'<=' if self.at_most else '>='}{self.bound!r}"

    def told(self) -> str:
        """Return the limit in words."""
        return f"{self.name} {'at most' if self.at_most else 'at least'} {OBJECTIVES[self.name].told(self.bound)}"

    def violation(self, value: float) -> float:
        """Return the distance of a value beyond the bound, in the objective's unit; at most 0 if the limit is kept."""
        return value - self.bound if self.at_most else self.bound - value

    def missed(self, violation: float) -> str:
        """Return a positive violation in words."""
        objective = OBJECTIVES[self.name]
        value = self.bound + violation if self.at_most else self.bound - violation
        return (
            f"{self.name} {objective.told(value)} is {'over' if self.at_most else 'under'} "
            f"{objective.told(self.bound)} by {objective.told(violation)}"
        )


@dataclass(frozen=True)
class Goals:
    """The objectives and limits of a study; the first objective decides first."""

    objectives: tuple[Objective, ...] = (OBJECTIVES["auc"],)
    limits: tuple[Limit, ...] = ()

    @classmethod
    def parse(
        cls,
        objectives: Sequence[str] | None = None,
        limits: Sequence[str] | None = None,
        *,
        kept: Goals | None = None,
    ) -> Goals:
        """Return the goals given by name.

        Args:
            objectives: Names of objectives; None takes those of `kept`, else the validation AUC.
            limits: Texts of limits; None takes those of `kept`, else no limits.
            kept: The goals of the stored study.

        Raises:
            ConfigError: A name is unknown or given twice, or a limit cannot be read.
        """
        kept = kept or cls()
        found = kept.objectives if objectives is None else tuple(_objective(name) for name in objectives)
        if not found:
            raise ConfigError("The list of objectives is empty; name one, or leave the option out for auc.")
        bounds = kept.limits if limits is None else tuple(Limit.parse(limit) for limit in limits)
        _refuse_twice("objective", [objective.name for objective in found])
        _refuse_twice("limit", [f"{limit.name}{'<=' if limit.at_most else '>='}" for limit in bounds])
        return cls(found, tuple(sorted(bounds, key=str)))

    @classmethod
    def from_json(cls, settings: Mapping[str, Any]) -> Goals:
        """Return the goals in the settings of a study; without any, the validation AUC."""
        return cls.parse(settings.get("objectives"), settings.get("limits"))

    def to_json(self) -> dict[str, list[str]]:
        """Return the goals as two entries of a study's settings."""
        return {"objectives": list(self.names), "limits": [str(limit) for limit in self.limits]}

    def __str__(self) -> str:
        return ", ".join((*self.names, *map(str, self.limits)))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(objective.name for objective in self.objectives)

    @property
    def directions(self) -> tuple[Direction, ...]:
        return tuple(objective.direction for objective in self.objectives)

    @property
    def several(self) -> bool:
        """True if there are several objectives, and so a Pareto front to choose from."""
        return len(self.objectives) > 1

    @property
    def measured(self) -> frozenset[str]:
        """The names of all objectives and limits, which have to be measured."""
        return frozenset((*self.names, *(limit.name for limit in self.limits)))

    def values(self, figures: Mapping[str, float]) -> tuple[float, ...]:
        """Return the values of the objectives from an architecture's measurements by name."""
        return tuple(float(figures[name]) for name in self.names)

    def violations(self, figures: Mapping[str, float]) -> dict[str, float]:
        """Return the violation of every limit (see `Limit.violation`) by measurements `figures`."""
        return {str(limit): limit.violation(float(figures[limit.name])) for limit in self.limits}

    def missed(self, violations: Mapping[str, float]) -> list[str]:
        """Return the broken limits among `violations`, in words."""
        return [
            limit.missed(violations[str(limit)])
            for limit in self.limits
            if violations.get(str(limit), 0.0) > 0
        ]

    def order(self, values: Mapping[str, float]) -> tuple[float, ...]:
        """Return a sort key: the better by the first objective come first, ties are broken by the next ones."""
        return tuple(objective.loss(values[objective.name]) for objective in self.objectives)


def as_loss(value: float, direction: Direction) -> float:
    """Return the value with its sign turned so that less is better."""
    return -value if direction == "maximize" else value


def dominates(one: npt.ArrayLike, other: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Return True where `one` is at least as good as `other` in every objective and better in one.

    Args:
        one: Losses `[..., objectives]`: less is better.
        other: Losses of a shape that broadcasts with it; either may be a single point.
    """
    import numpy as np

    mine, theirs = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
    return np.asarray((mine <= theirs).all(-1) & (mine < theirs).any(-1))


def pareto_front(values: npt.ArrayLike, directions: Sequence[Direction]) -> npt.NDArray[np.bool_]:
    """Return a mask `[N]` of the points `[N, objectives]` that no other point dominates.

    Equal points are on the front together. The cost is one pass over the remaining points for every point of the front.
    """
    # Not above: a command's help lists the objectives.
    import numpy as np

    signs = np.array([as_loss(1.0, direction) for direction in directions])
    losses = np.asarray(values, dtype=np.float64).reshape(-1, len(signs)) * signs
    # `unique` is sorted from the first column on, so that a point can only be dominated by an earlier one.
    unique, where = np.unique(losses, axis=0, return_inverse=True)
    front = np.zeros(len(unique), dtype=np.bool_)
    left = np.arange(len(unique))
    while len(left):
        leader, left = left[0], left[1:]
        front[leader] = True
        left = left[~dominates(unique[leader], unique[left])]
    return front[where.reshape(-1)]


def _objective(name: str) -> Objective:
    if name not in OBJECTIVES:
        raise ConfigError(f"No objective is named '{name}': {nearest(name, OBJECTIVES)}")
    return OBJECTIVES[name]


def _refuse_twice(kind: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ConfigError(f"The {kind} '{name}' is given twice; leave one out.")
        seen.add(name)
