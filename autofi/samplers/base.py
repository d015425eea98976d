"""What a sampler is given and what it gives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from optuna.distributions import BaseDistribution

from autofi.objectives.objectives import Direction, as_loss

Distributions = Mapping[str, BaseDistribution]


@dataclass(frozen=True)
class ObservedTrial:
    """A measured proposal: its parameters, the values of the objectives, and how far it is beyond every limit."""

    parameters: Mapping[str, Any]
    values: tuple[float, ...]
    violations: tuple[float, ...] = ()

    @property
    def beyond(self) -> float:
        """How far it is beyond all limits together; 0 where it keeps them."""
        return sum(max(0.0, violation) for violation in self.violations)

    def losses(self, directions: Sequence[Direction]) -> tuple[float, ...]:
        """The values, turned so that less is better."""
        turned = zip(self.values, directions, strict=True)
        return tuple(as_loss(value, direction) for value, direction in turned)


@dataclass(frozen=True)
class SamplerContext:
    """What is to be proposed for.

    distributions   of every parameter
    defaults        what is proposed where nothing is known
    known           what was measured so far, in order
    directions      of every objective
    seed            the same question with the same seed has the same answer
    """

    distributions: Distributions
    defaults: Mapping[str, Any]
    known: Sequence[ObservedTrial]
    directions: Sequence[Direction] = ("maximize",)
    seed: int = 0

    @property
    def draw(self) -> int:
        """A seed that differs with how much is known, or every resume would begin with the same random points."""
        return (self.seed * 1_000_003 + len(self.known)) % 2**32


class Sampler(ABC):
    """Proposes parameters from nothing but what was measured so far.

    It keeps nothing between two proposals: a resumed search, or another worker, goes on as this one would have.
    """

    name: ClassVar[str]
    #: Other names that it may be given by; subclasses do not inherit them.
    aliases: ClassVar[tuple[str, ...]] = ()
    summary: ClassVar[str]
    source: ClassVar[str]

    def refusal(self, distributions: Distributions, objectives: int) -> str | None:
        """Why it cannot search these parameters for so many objectives; None where it can."""
        return None

    @abstractmethod
    def propose(self, question: SamplerContext) -> dict[str, Any]:
        """The next parameters; `known` and `distributions` are not empty."""
