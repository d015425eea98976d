"""Exploration: a sampler proposes whole architectures, which are scored by inherited weights.

Greedy selection changes one option at a time, and misses gains that two changes have only together. A sampler of the
search engine continues from its result. One half of the judging rows guides it; the best architectures are compared on
the other half, on which looking at many architectures has favored none of them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from itertools import product

from optuna.distributions import CategoricalDistribution

from autofi.core.progress import Progress
from autofi.core.time_budget import UNLIMITED, TimeBudget
from autofi.samplers.base import ObservedTrial, SamplerContext
from autofi.samplers.registry import propose
from autofi.space.optuna_distributions import forms_label
from autofi.supernet.exploration import ScoredArchitecture
from autofi.supernet.inherited_evaluator import InheritedEvaluator
from autofi.supernet.inherited_scoring import Options

#: The number of architectures that are compared on the other half of the rows.
RESCORED = 16
#: The sampler sees at most this many of the latest results, so that the cost of a proposal does not grow.
SHOWN = 256
#: The key of the set of streams, beside the keys of the slots.
STREAMS = "streams"
#: Steps between two progress reports.
TOLD = 50


def explore(
    judges: InheritedEvaluator,
    starts: Sequence[Options],
    streams: int | None,
    *,
    count: int,
    sampler: str,
    seed: int,
    progress: Progress,
    budget: TimeBudget = UNLIMITED,
) -> tuple[ScoredArchitecture, ...]:
    """Propose `count` architectures and return every distinct one, in order; fewer if the time is up.

    Args:
        starts: Options that are proposed first.
        streams: The set of streams of the starts.
    """
    walk = _Walk(judges, streams)
    known: list[ObservedTrial] = []
    found: dict[tuple[Options, int | None], ScoredArchitecture] = {}
    for step in range(count):
        if step and not budget.fits(0.0):
            budget.cut_short(f"exploring, after {step} of {count} architectures")
            break
        if step < len(starts):
            point = judges.settled(starts[step], streams)
        else:
            question = SamplerContext(
                walk.distributions,
                walk.parameters(starts[0], streams),
                known[-SHOWN:],
                ("minimize",),
                # After SHOWN steps the sampler sees equally many results each time; the seed must differ all the same.
                seed=seed * count + step,
            )
            point = walk.point(propose(sampler, question), starts[0])
        if point not in found:
            found[point] = _scored(judges, *point)
        known.append(ObservedTrial(walk.parameters(*point), (found[point].guide_logloss,)))
        if (step + 1) % TOLD == 0 or step + 1 == count:
            progress.advance(step % TOLD + 1, scored=len(found))
    return _compared(judges, list(found.values()))


def score_variants(
    judges: InheritedEvaluator,
    variants: Iterable[Options],
    streams: Iterable[int | None],
    known: Iterable[ScoredArchitecture],
) -> tuple[ScoredArchitecture, ...]:
    """Score the variants with every set of streams that they can have unchanged, except those in `known`."""
    seen = {(one.options, one.streams) for one in known}
    # Each is scored once: variants of different names may have the same options.
    points = dict.fromkeys(product(variants, streams))
    return tuple(
        _scored(judges, *point) for point in points if point not in seen and judges.settled(*point) == point
    )


def _scored(judges: InheritedEvaluator, options: Options, streams: int | None) -> ScoredArchitecture:
    return ScoredArchitecture(
        options, streams, float(judges.losses(options, streams, "guiding").double().mean())
    )


def _compared(
    judges: InheritedEvaluator, scored: Sequence[ScoredArchitecture]
) -> tuple[ScoredArchitecture, ...]:
    """Return `scored` with the gains of the most promising ones on rows that did not guide the search."""
    start = scored[0]
    before = judges.losses(start.options, start.streams, "judging")

    def compared(one: ScoredArchitecture) -> ScoredArchitecture:
        gains = (before - judges.losses(one.options, one.streams, "judging")).double()
        return dataclasses.replace(
            one, gain=float(gains.mean()), standard_error=float(gains.std() / len(gains) ** 0.5)
        )

    finalists = sorted(scored[1:], key=lambda one: one.guide_logloss)[:RESCORED]
    return tuple(compared(one) if one in finalists else one for one in scored)


class _Walk:
    """The space as a sampler sees it: one parameter per slot with a choice, and one for the streams."""

    def __init__(self, judges: InheritedEvaluator, streams: int | None) -> None:
        self._judges = judges
        self._names = [" × ".join(map(str, slot.column)) for slot in judges.slots]
        self._labels = [[forms_label(forms) for forms in slot.options] for slot in judges.slots]
        self.distributions = {
            name: CategoricalDistribution(labels)
            for name, labels in zip(self._names, self._labels, strict=True)
            if len(labels) > 1
        }
        self._streamed = streams is not None
        if self._streamed:
            self.distributions[STREAMS] = CategoricalDistribution(list(map(str, judges.sets)))

    def parameters(self, options: Options, streams: int | None) -> dict[str, str]:
        """Return a point as the sampler's parameters."""
        named = zip(self._names, self._labels, options, strict=True)
        found = {name: labels[option] for name, labels, option in named if len(labels) > 1}
        return found | ({STREAMS: str(streams)} if self._streamed else {})

    def point(self, parameters: dict[str, str], otherwise: Options) -> tuple[Options, int | None]:
        """Return the point of a sampler's parameters; slots without a choice are as in `otherwise`."""
        options = tuple(
            labels.index(parameters[name]) if name in parameters else option
            for name, labels, option in zip(self._names, self._labels, otherwise, strict=True)
        )
        return self._judges.settled(options, int(parameters[STREAMS]) if self._streamed else None)
