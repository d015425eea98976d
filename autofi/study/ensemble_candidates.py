"""Trained networks of a study that may be members of its ensemble, and the costs of sets of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

from autofi.bundle.bundle import load_bundle
from autofi.bundle.ensemble_file import Member
from autofi.data.boosted_trees import BoostedTrees
from autofi.data.feature_builder import FeatureBuilder
from autofi.evaluation.cost import Costs, measure_costs
from autofi.evaluation.ensemble_selection import Affordable, Judged, Selection
from autofi.evaluation.trained_weights import read_weights
from autofi.evaluation.workbench import Workbench
from autofi.metrics.ranking import logloss
from autofi.model.build import shared_builder
from autofi.model.ensemble import Ensemble
from autofi.model.network import Network
from autofi.objectives.objectives import COSTS, Goals
from autofi.records.best_trial import complete_trials
from autofi.records.kept_networks import kept_network
from autofi.records.predictions import Predictions, load_predictions, model_key
from autofi.records.trees_alone import same_model
from autofi.records.winner import Choice
from autofi.space.architecture import Architecture
from autofi.store import ModelRecord, ModelRole, StudyHandle


@dataclass(frozen=True, eq=False)
class Candidate:
    """A trained network on the processor, with its predictions of validation rows and the trees that it reads."""

    architecture: Architecture
    network: Network
    predictions: Predictions
    trial: int
    seed: int
    trees: BoostedTrees | None


@dataclass(frozen=True, eq=False)
class Candidates:
    """Networks that can be one model.

    Attributes:
        found: The candidates, the winner's seeds first.
        start: The number of the winner's seeds; the first is the one that is delivered alone.
        builder: A builder of everything that they read.
    """

    found: tuple[Candidate, ...]
    start: int
    builder: FeatureBuilder

    def judged(self, bench: Workbench) -> Judged:
        """Return the validation rows with the predictions of all candidates."""
        rows = bench.dataset.rows("valid")
        return Judged(
            np.stack([one.predictions for one in self.found]),
            np.asarray(rows.labels, dtype=np.float64),
            None if rows.weights is None else np.asarray(rows.weights, dtype=np.float64),
            bench.dataset.together("valid"),
        )

    def members(self, selection: Selection) -> dict[int, Member]:
        """Return the members by their places among the candidates, the heaviest first."""
        shares = selection.shares
        order = sorted(
            np.flatnonzero(shares).tolist(),
            key=lambda place: (-shares[place], self.found[place].trial, self.found[place].seed),
        )
        return {
            place: Member(one.architecture, float(shares[place]), one.trial, one.seed)
            for place in order
            if (one := self.found[place])
        }

    def joined(self, places: Sequence[int], weights: Sequence[float]) -> tuple[Ensemble, FeatureBuilder]:
        """Return some of them as one model, with the builder of exactly the features that it reads."""
        chosen = [self.found[place] for place in places]
        ensemble = Ensemble([one.network for one in chosen], weights)
        return ensemble, shared_builder([one.architecture for one in chosen], self.builder, ensemble)


def gather_candidates(
    handle: StudyHandle,
    bench: Workbench,
    choice: Choice,
    winners: Iterable[ModelRecord],
    *,
    seeds_alone: bool,
) -> Candidates | None:
    """Return the seeds of a winner and, without `seeds_alone`, the networks of trials and finals that are kept.

    A bundle has one set of boosted trees, so networks that read other trees than the first one with any are left out.
    It is None if no seed of the winner is kept with its predictions of validation rows.
    """
    ranked = sorted(winners, key=lambda model: -model.metrics.get("valid", {}).get("auc", 0.0))
    found: list[Candidate] = []
    builder: FeatureBuilder | None = None
    for model in ranked:
        predictions = load_predictions(handle, model_key(model)).get("valid")
        if model.path is None or not model.path.exists() or predictions is None:
            continue
        bundle = load_bundle(model.path)
        (network,) = bundle.network.networks().values()
        builder = builder or bundle.builder
        trees = bundle.builder.boosted
        found.append(Candidate(bundle.architecture, network, predictions, choice.trial, model.seed, trees))
    if builder is None:
        return None
    seeds = len(found)
    if not seeds_alone:
        kept = _kept_trainings(handle, {(choice.architecture_id, one.seed) for one in found})
        if kept:
            architectures = (found[0].architecture, *(one.architecture for one in kept))
            builder, _ = bench.features(*architectures)
            found += _rebuilt(bench, kept)
    trees = next((one.trees for one in found if one.trees is not None), None)
    usable = [place for place, one in enumerate(found) if one.trees is None or _alike(one.trees, trees)]
    return Candidates(
        tuple(found[place] for place in usable),
        sum(place < seeds for place in usable),
        replace(builder, boosted=trees),
    )


class SetCosts:
    """The costs of sets of candidates as one model, each measured once."""

    def __init__(self, candidates: Candidates, *, latency: bool) -> None:
        self._candidates, self._latency = candidates, latency
        self._known: Callable[[frozenset[int]], Costs] = cache(self._measured)

    def affordable(self, goals: Goals, most: int) -> Affordable:
        """Return the check that a set has at most so many members and keeps the limits on costs."""
        limits = [limit for limit in goals.limits if limit.name in COSTS]

        def check(members: frozenset[int]) -> bool:
            if len(members) > most:
                return False
            if not limits:
                return True
            figures = self._known(members).figures()
            return all(limit.violation(figures[limit.name]) <= 0 for limit in limits)

        return check

    def _measured(self, members: frozenset[int]) -> Costs:
        """Return the costs of a set; the latency of several is the sum of theirs."""
        places = sorted(members)
        model, builder = self._candidates.joined(places, [1 / len(places)] * len(places))
        single = len(places) == 1
        costs = measure_costs(model, builder, latency=self._latency and single)
        if single or not self._latency:
            return costs
        alone = [self._known(frozenset({place})).latency or 0.0 for place in places]
        return replace(costs, latency=sum(alone))


@dataclass(frozen=True)
class _KeptTraining:
    architecture: Architecture
    trial: int
    seed: int
    path: Path


def _kept_trainings(handle: StudyHandle, known: set[tuple[str, int]]) -> list[_KeptTraining]:
    """Return the kept networks of trials within the limits and of finals, without those that are known."""
    trials = [trial for trial in complete_trials(handle) if trial.feasible]
    same = same_model(trials)
    finals = handle.models(ModelRole.FINALIST)
    found = []
    for trial in trials:
        if trial.number in same:
            continue
        further = {model.seed for model in finals if model.architecture_id == trial.architecture_id}
        for seed in sorted({trial.seed, *further}):
            path = kept_network(handle, trial.architecture_id, seed)
            if path is not None and (trial.architecture_id, seed) not in known:
                architecture = Architecture.from_json(trial.architecture)
                found.append(_KeptTraining(architecture, trial.number, seed, path))
    return found


def _rebuilt(bench: Workbench, kept: Sequence[_KeptTraining]) -> Iterator[Candidate]:
    """Yield the kept networks as they were trained, the best on validation rows first."""
    rows = bench.dataset.rows("valid")
    found: list[tuple[float, int, Candidate]] = []
    for number, one in enumerate(kept):
        weights = read_weights(one.path)
        if weights is None:
            continue
        model = bench.rebuild(one.architecture, weights, seed=one.seed, parts=("valid",))
        if model is None:
            continue
        scores, trees = model.predictions["valid"], model.builder.boosted
        candidate = Candidate(model.delivered, model.network.cpu(), scores, one.trial, one.seed, trees)
        found.append((logloss(np.asarray(rows.labels), scores, rows.weights), number, candidate))
    yield from (candidate for *_, candidate in sorted(found, key=lambda each: each[:2]))


def _alike(trees: BoostedTrees, others: BoostedTrees | None) -> bool:
    return others is not None and (trees.models, trees.statistics.columns) == (
        others.models,
        others.statistics.columns,
    )
