"""Candidates, common to all ways of naming a study's points: the next architecture, never one twice."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from itertools import product
from math import prod
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution

from autofi.core.option_names import DEFAULT_SAMPLER
from autofi.objectives.objectives import Direction
from autofi.samplers.base import ObservedTrial, SamplerContext
from autofi.samplers.registry import check_sampler, get_sampler
from autofi.space.architecture import Architecture

#: Draws of a new point before a small space is enumerated, and a large one is considered exhausted.
DRAWS = 20
#: The superfluous trials of the same variants of fields and pairs after which starts with these are passed over.
ENOUGH_SUPERFLUOUS = 2
#: The sampler that needs no earlier results.
BLIND = "random"
#: The most points of a space that is enumerated.
SMALL = 10_000


class Candidates(ABC):
    """Parameters with their distributions, and the architecture of any point of them."""

    def __init__(
        self,
        distributions: Mapping[str, BaseDistribution],
        defaults: Mapping[str, Any],
        *,
        sampler: str = DEFAULT_SAMPLER,
        directions: Sequence[Direction] = ("maximize",),
    ) -> None:
        self.distributions, self.defaults = dict(distributions), dict(defaults)
        self._sampler, self._directions = sampler, directions
        check_sampler(sampler, self._question([], 0))

    @abstractmethod
    def architecture(self, parameters: Mapping[str, Any]) -> Architecture:
        """Return the architecture of some parameters; those not named take their defaults."""

    def starts(self) -> list[dict[str, Any]]:
        """Return the points that are tried before the sampler proposes."""
        return [dict(self.defaults)]

    def named(self, start: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the point of a start by the names of its variants; None if points have no such names."""
        return None

    def parameters_of(self, architecture_id: str) -> dict[str, Any] | None:
        """Return the start that makes an architecture; None if no start does."""
        for parameters, architecture in self._resolved_starts:
            if architecture.id == architecture_id:
                return {**self.defaults, **parameters}
        return None

    def next_initial(
        self, seen: Collection[str], known: Sequence[ObservedTrial] = ()
    ) -> tuple[dict[str, Any], Architecture] | None:
        """Return the first start whose id is not `seen`; None if there is none.

        A start is passed over if ENOUGH_SUPERFLUOUS of the `known` trials with its variants were superfluous.
        """
        superfluous = Counter(_variants(one.parameters) for one in known if one.superfluous)
        for parameters, architecture in self._resolved_starts:
            variants = _variants({**self.defaults, **parameters})
            if architecture.id not in seen and (not variants or superfluous[variants] < ENOUGH_SUPERFLUOUS):
                return dict(parameters), architecture
        return None

    @cached_property
    def _resolved_starts(self) -> list[tuple[dict[str, Any], Architecture]]:
        """The starts with their architectures, resolved once: every trial asks for them."""
        return [(parameters, self.architecture(parameters)) for parameters in self.starts()]

    def steps(self) -> list[dict[str, Any]]:
        """Return values of single parameters that are tried once each, after the starts, on the best known point."""
        return []

    def next_variation(
        self, known: Sequence[ObservedTrial], seen: Collection[str]
    ) -> tuple[dict[str, Any], Architecture] | None:
        """Return the best known point with the first step that was not tried yet; None if there is none."""
        if not known:
            return None
        best = min(known, key=lambda one: (one.beyond, *one.losses(self._directions)))
        for change in self.steps():
            if any(change.items() <= one.parameters.items() for one in known):
                continue
            parameters = {**self.defaults, **best.parameters, **change}
            architecture = self.architecture(parameters)
            if architecture.id not in seen:
                return parameters, architecture
        return None

    def suggest_batch(
        self, known: Sequence[ObservedTrial], seen: set[str], *, most: int, starts: int, seed: int
    ) -> list[tuple[dict[str, Any], Architecture]]:
        """Return different candidates to train at once: at most `starts` starts, or as far as they go `most` in all.

        Starts need no results of other trials.
        """
        found: list[tuple[dict[str, Any], Architecture]] = []
        while len(found) < starts:
            start = self.next_initial(seen | {architecture.id for _, architecture in found}, known)
            if start is None:
                break
            found.append(start)
        while len(found) < most:
            pending = {architecture.id for _, architecture in found}
            candidate = self.suggest(known, seen | pending, seed=seed)
            if candidate is None:
                break
            found.append(candidate)
        return found

    def suggest(
        self, known: Sequence[ObservedTrial], seen: set[str], *, seed: int
    ) -> tuple[dict[str, Any], Architecture] | None:
        """Return parameters and architecture of the next candidate whose id is not `seen`; None if there is none."""
        begun = self.next_initial(seen, known) or self.next_variation(known, seen)
        if begun is not None:
            return begun
        # Nothing is known yet while other workers train the starts, so there is nothing to learn from.
        sampler = get_sampler(self._sampler if known else BLIND)
        for draw in range(DRAWS if self.distributions else 0):
            parameters = sampler.propose(self._question(known, seed + 7919 * draw))
            architecture = self.architecture(parameters)
            if architecture.id not in seen:
                return parameters, architecture
        return self._unseen(seen, seed)

    def _unseen(self, seen: set[str], seed: int) -> tuple[dict[str, Any], Architecture] | None:
        """Return a point of a small space that every draw has missed."""
        choices = [
            found.choices
            for found in self.distributions.values()
            if isinstance(found, CategoricalDistribution)
        ]
        if len(choices) < len(self.distributions) or prod(map(len, choices)) > SMALL:
            return None
        points = list(product(*choices))
        for place in np.random.default_rng(seed).permutation(len(points)):
            parameters = dict(zip(self.distributions, points[place], strict=True))
            architecture = self.architecture(parameters)
            if architecture.id not in seen:
                return parameters, architecture
        return None

    def _question(self, known: Sequence[ObservedTrial], seed: int) -> SamplerContext:
        return SamplerContext(self.distributions, self.defaults, known, self._directions, seed)


def _variants(parameters: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the variants of fields and pairs of a point; none where every field and pair has its own parameter."""
    return tuple(parameters[key] for key in ("fields", "pairs") if key in parameters)
