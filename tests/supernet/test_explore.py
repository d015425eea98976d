"""Exploring: scores are those of the supernet itself, what is kept has gained on rows that guided nobody."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch

from autofi.core.progress import SilentProgress
from autofi.data.load import open_data
from autofi.data.planted import PlantedSpec, generate
from autofi.metrics.ranking import logloss
from autofi.space.load import load_space
from autofi.space.search_space import SearchSpace
from autofi.store.search_settings import SearchSettings
from autofi.supernet.context import ProposalContext
from autofi.supernet.exploration import Exploration, ScoredArchitecture
from autofi.supernet.explore import explore, score_variants
from autofi.supernet.fold_supernets import PathSupernets, train_path_supernets
from autofi.supernet.inherited_evaluator import HeldOutHalf, InheritedEvaluator
from autofi.supernet.slots import SearchSlots, build_slots, streams_of
from autofi.supernet.supernet import chosen

SPEC = PlantedSpec(
    rows=12_000,
    cardinalities=(8, 10, 12, 30, 20),
    names=("hour", "city", "device", "site", "ad"),
    memorize_pairs=((0, 1),),
    factorize_pairs=((3, 4),),
    memorize=1.5,
    factorize=2.0,
)
HALVES: tuple[HeldOutHalf, ...] = ("guiding", "judging")


@pytest.fixture(scope="module")
def run() -> ProposalContext:
    space = load_space("default").model_dump()
    space["products"] = None
    space["streams"] = {"choices": [{}, {"cross_network": {"layers": 2}}, {"fm": {}, "linear": {}}]}
    space["search"] |= {"epochs": 2, "explore": 40}
    space["starts"] = ()
    dataset = open_data(generate(SPEC).table, SearchSettings(source=None, target="click"))
    found = SearchSpace.model_validate(space)
    return ProposalContext(dataset, found, 0, SilentProgress(), torch.device("cpu"), np.random.default_rng(0))


@pytest.fixture(scope="module")
def offer(run: ProposalContext) -> SearchSlots:
    return build_slots(run)


@pytest.fixture(scope="module")
def supernets(run: ProposalContext, offer: SearchSlots) -> PathSupernets:
    return train_path_supernets(run, offer, streams_of(run, offer))


def naive(offer: SearchSlots) -> tuple[int, ...]:
    return tuple(len(slot.options) - 1 if len(slot.column) == 1 else 0 for slot in offer.slots)


@pytest.fixture(scope="module")
def scored(
    run: ProposalContext, offer: SearchSlots, supernets: PathSupernets
) -> tuple[ScoredArchitecture, ...]:
    return explored(run, offer, supernets)


def explored(
    run: ProposalContext,
    offer: SearchSlots,
    supernets: PathSupernets,
    count: int = 60,
    sampler: str = "evolution",
) -> tuple[ScoredArchitecture, ...]:
    start = naive(offer)
    judges = InheritedEvaluator(supernets, start, seed=0)
    return explore(judges, [start], 0, count=count, sampler=sampler, seed=0, progress=SilentProgress())


@pytest.mark.parametrize("number", [0, 1, 2])
def test_both_halves_together_score_what_the_supernet_itself_gives(
    run: ProposalContext, offer: SearchSlots, supernets: PathSupernets, number: int
) -> None:
    start = naive(offer)
    losses = InheritedEvaluator(supernets, start, seed=0).losses(start, number, *HALVES)
    expected = logloss(supernets.truth, supernets.inherited(chosen(offer.slots, start), number))
    assert len(losses) == len(supernets.truth)
    assert float(losses.double().mean()) == pytest.approx(expected, rel=2e-3)


def test_nothing_is_scored_twice_and_the_start_comes_first(
    offer: SearchSlots, scored: tuple[ScoredArchitecture, ...]
) -> None:
    assert scored[0].options == naive(offer)
    assert len({(one.options, one.streams) for one in scored}) == len(scored)
    assert {one.streams for one in scored} == {0, 1, 2}


def test_what_is_sure_finds_the_planted_pairs(
    offer: SearchSlots, scored: tuple[ScoredArchitecture, ...]
) -> None:
    names = SPEC.names
    slots = tuple((tuple(names[field] for field in slot.column), slot.options) for slot in offer.slots)
    exploration = Exploration(slots, ({}, {"cross_network": {"layers": 2}}, {"fm": {}, "linear": {}}), scored)
    best = exploration.best[0]
    assert best.gain is not None and best.standard_error is not None
    assert best.gain > best.standard_error > 0
    assert {("hour", "city"), ("site", "ad")} & exploration.pairs(best).keys()


def test_an_architecture_with_streams_keeps_the_vectors_they_read(
    offer: SearchSlots, scored: tuple[ScoredArchitecture, ...]
) -> None:
    for one in scored:
        if one.streams:
            for slot, option in zip(offer.slots, one.options, strict=True):
                assert len(slot.column) > 1 or "embedding" in slot.options[option]


def test_the_same_seed_explores_the_same(
    run: ProposalContext, offer: SearchSlots, supernets: PathSupernets, scored: tuple[ScoredArchitecture, ...]
) -> None:
    assert explored(run, offer, supernets) == scored


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_any_sampler_of_the_engine_can_walk(
    run: ProposalContext, offer: SearchSlots, supernets: PathSupernets, sampler: str
) -> None:
    assert len(explored(run, offer, supernets, 12, sampler)) > 6


def test_an_exploration_survives_json(offer: SearchSlots, scored: tuple[ScoredArchitecture, ...]) -> None:
    slots = tuple((tuple(SPEC.names[field] for field in slot.column), slot.options) for slot in offer.slots)
    exploration = Exploration(slots, ({}, {"fm": {}}), scored[1:], variants=scored[:1])
    again = Exploration.from_json(json.loads(json.dumps(exploration.to_json())))
    assert again == exploration
    assert all(again.fields(one).keys() == set(SPEC.names) for one in again.scored)


def test_variants_are_scored_as_explored_ones_are_and_none_twice(
    offer: SearchSlots, supernets: PathSupernets, scored: tuple[ScoredArchitecture, ...]
) -> None:
    judges = InheritedEvaluator(supernets, naive(offer), seed=0)
    anew = score_variants(judges, [one.options for one in scored], [0, 1, 2], [])
    known = {(one.options, one.streams): one.guide_logloss for one in scored}
    assert {(one.options, one.streams) for one in anew} >= known.keys()
    for one in anew:
        assert judges.settled(one.options, one.streams) == (one.options, one.streams)
        assert one.guide_logloss == pytest.approx(
            known.get((one.options, one.streams), one.guide_logloss), abs=1e-5
        )
    more = score_variants(judges, [one.options for one in scored], [0, 1, 2], scored)
    assert {(one.options, one.streams) for one in more} == {
        (one.options, one.streams) for one in anew
    } - known.keys()


def test_what_gains_less_than_its_error_is_not_offered() -> None:
    sure = ScoredArchitecture((1,), None, 0.4, gain=0.02, standard_error=0.01)
    doubtful = dataclasses.replace(sure, options=(2,), gain=0.005)
    unasked = ScoredArchitecture((0,), None, 0.5)
    slots = ((("ad",), (("embedding",), ("statistics",), ("embedding", "statistics"))),)
    exploration = Exploration(slots, (), (unasked, doubtful, sure))
    assert exploration.best == (sure,)
    assert exploration.fields(sure) == {"ad": ("statistics",)}
    assert exploration.streams_of(sure) is None
