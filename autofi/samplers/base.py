"""The base class of samplers, and their inputs."""

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
    """A measured proposal: its parameters, the values of the objectives, and the violation of every limit.

    Where time is limited, `superfluous` tells that its network added nothing to boosted trees.
    """

    parameters: Mapping[str, Any]
    values: tuple[float, ...]
    violations: tuple[float, ...] = ()
    superfluous: bool = False

    @property
    def beyond(self) -> float:
        """Sum of the violations of all limits; 0 if it keeps them."""
        return sum(max(0.0, violation) for violation in self.violations)

    def losses(self, directions: Sequence[Direction]) -> tuple[float, ...]:
        """Return the values with their signs turned so that less is better."""
        turned = zip(self.values, directions, strict=True)
        return tuple(as_loss(value, direction) for value, direction in turned)


@dataclass(frozen=True)
class SamplerContext:
    """The inputs of a sampler.

    Attributes:
        distributions: Distribution of every parameter.
        defaults: The parameters that are proposed first of all.
        known: The trials measured so far, in order.
        directions: Direction of every objective.
        seed: Seed; equal inputs with an equal seed give an equal proposal.
    """

    distributions: Distributions
    defaults: Mapping[str, Any]
    known: Sequence[ObservedTrial]
    directions: Sequence[Direction] = ("maximize",)
    seed: int = 0

    @property
    def draw(self) -> int:
        """A seed that changes with the number of known trials, as a resume would else repeat its random points."""
        return (self.seed * 1_000_003 + len(self.known)) % 2**32


class Sampler(ABC):
    """A proposer of parameters, which depends only on the trials measured so far.

    It keeps no state between two proposals, so that a resumed search, or another worker, goes on as this one would.

    Attributes:
        name: Name in options.
        summary: A line of help.
        source: Link to the paper.
    """

    name: ClassVar[str]
    #: Other names that it may be given by; subclasses do not inherit them.
    aliases: ClassVar[tuple[str, ...]] = ()
    summary: ClassVar[str]
    source: ClassVar[str]

    def unsupported_reason(self, distributions: Distributions, objectives: int) -> str | None:
        """Return the reason why it cannot search these parameters for so many objectives, or None if it can."""
        return None

    @abstractmethod
    def propose(self, question: SamplerContext) -> dict[str, Any]:
        """Return the next parameters; `known` and `distributions` are not empty."""
