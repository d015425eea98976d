"""What a search is after: measures to make better, and limits that its winner keeps."""

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

#: What a number in a limit may be followed by, for every unit of an objective.
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
    """A measure of an architecture; `unit` is "" for one between 0 and 1 or in nats, "count", "B" or "us"."""

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
        """The value, turned so that less is better."""
        return as_loss(value, self.direction)

    def told(self, value: float) -> str:
        """The value for people: a measure with four decimals, anything else with three figures and its unit."""
        if not self.unit:
            return f"{value:.4f}"
        if self.unit == "us":
            return f"{value:,.0f} us" if value >= 99.95 else f"{value:.1f} us"
        return short(value, unit=self.unit.removeprefix("count"))

    def read(self, text: str) -> float:
        """The value of a text such as `50MB`, `200us` or `0.7`; raises ConfigError."""
        found = _NUMBER.fullmatch(text.strip())
        factors = _FACTORS[self.unit]
        if found is None or (found[2] and found[2] not in factors):
            known = f", and one of {', '.join(factors)} where it is not in the first" if factors else ""
            raise ConfigError(f"A limit of {self.name} is a number{known}: found '{text}'.")
        value = float(found[1]) * factors.get(found[2], 1.0)
        if not math.isfinite(value) or value < 0:
            raise ConfigError(f"A limit of {self.name} is a finite number of at least 0: found '{text}'.")
        if self.direction == "maximize" and value > 1:
            raise ConfigError(f"A limit of {self.name} lies between 0 and 1: found '{text}'.")
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


@dataclass(frozen=True)
class Limit:
    """A bound, in the objective's own unit, that a winner keeps."""

    name: str
    bound: float
    at_most: bool

    @classmethod
    def parse(cls, text: str) -> Limit:
        """`table_bytes<=50MB`, `auc>=0.7`; raises ConfigError."""
        found = _LIMIT.fullmatch(text)
        if found is None:
            raise ConfigError(
                f"A limit is a name, <= or >=, and a value: found '{text}'; such as table_bytes<=50MB."
            )
        return cls(found[1], _objective(found[1]).read(found[3]), found[2] == "<=")

    def __str__(self) -> str:
        return f"{self.name}{'<=' if self.at_most else '>='}{self.bound!r}"

    def told(self) -> str:
        """The limit in words."""
        return f"{self.name} {'at most' if self.at_most else 'at least'} {OBJECTIVES[self.name].told(self.bound)}"

    def violation(self, value: float) -> float:
        """How far a value is beyond the bound, in the objective's unit; at most 0 where the limit is kept."""
        return value - self.bound if self.at_most else self.bound - value

    def missed(self, violation: float) -> str:
        """What a positive violation says, in words."""
        objective = OBJECTIVES[self.name]
        value = self.bound + violation if self.at_most else self.bound - violation
        return (
            f"{self.name} {objective.told(value)} is {'over' if self.at_most else 'under'} "
            f"{objective.told(self.bound)} by {objective.told(violation)}"
        )


@dataclass(frozen=True)
class Goals:
    """The objectives of a study, the first of which leads, and its limits."""

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
        """What is given; of what is not, what was `kept`, else the validation AUC without limits.

        Raises ConfigError for an unknown name, one given twice, or a limit that cannot be read.
        """
        kept = kept or cls()
        found = kept.objectives if objectives is None else tuple(_objective(name) for name in objectives)
        if not found:
            raise ConfigError("A search has at least one objective: found none; leave it out for auc.")
        bounds = kept.limits if limits is None else tuple(Limit.parse(limit) for limit in limits)
        _refuse_twice("objective", [objective.name for objective in found])
        _refuse_twice("limit", [f"{limit.name}{'<=' if limit.at_most else '>='}" for limit in bounds])
        return cls(found, tuple(sorted(bounds, key=str)))

    @classmethod
    def from_json(cls, settings: Mapping[str, Any]) -> Goals:
        """Those in the settings of a study; one without any is after the validation AUC."""
        return cls.parse(settings.get("objectives"), settings.get("limits"))

    def to_json(self) -> dict[str, list[str]]:
        """Two entries of a study's settings."""
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
        """Whether there is a front to choose from."""
        return len(self.objectives) > 1

    @property
    def measured(self) -> frozenset[str]:
        """The names of all that has to be measured."""
        return frozenset((*self.names, *(limit.name for limit in self.limits)))

    def values(self, figures: Mapping[str, float]) -> tuple[float, ...]:
        """Of an architecture's figures by name, those of the objectives."""
        return tuple(float(figures[name]) for name in self.names)

    def violations(self, figures: Mapping[str, float]) -> dict[str, float]:
        """How far the figures are beyond every limit; see `Limit.violation`."""
        return {str(limit): limit.violation(float(figures[limit.name])) for limit in self.limits}

    def missed(self, violations: Mapping[str, float]) -> list[str]:
        """In words, the limits that `violations` breaks."""
        return [
            limit.missed(violations[str(limit)])
            for limit in self.limits
            if violations.get(str(limit), 0.0) > 0
        ]

    def order(self, values: Mapping[str, float]) -> tuple[float, ...]:
        """A key that sorts the better by the first objective to the front, and equals by the next ones."""
        return tuple(objective.loss(values[objective.name]) for objective in self.objectives)


def as_loss(value: float, direction: Direction) -> float:
    """Return the value, turned so that less is better."""
    return -value if direction == "maximize" else value


def dominates(one: npt.ArrayLike, other: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Return whether `one` is as good as `other` in every objective and better in some.

    Args:
        one: Losses `[..., objectives]`: less is better.
        other: Losses of a shape that goes with it, by NumPy's rules; one of both may be a single point.
    """
    mine, theirs = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
    return np.asarray((mine <= theirs).all(-1) & (mine < theirs).any(-1))


def pareto_front(values: npt.ArrayLike, directions: Sequence[Direction]) -> npt.NDArray[np.bool_]:
    """Of points `[N, objectives]`, those that no other dominates.

    Equal points are on the front together. Cost: one pass over what is left for every point of the front.
    """
    # Not above: a command's help lists the objectives.
    import numpy as np

    signs = np.array([as_loss(1.0, direction) for direction in directions])
    losses = np.asarray(values, dtype=np.float64).reshape(-1, len(signs)) * signs
    # Rows rise from the first column on: a point is dominated by an earlier one or by none.
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
            raise ConfigError(f"Every {kind} is given once: found '{name}' twice.")
        seen.add(name)
