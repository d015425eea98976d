"""What every strategy promises: candidates of its space, the same for every worker, that read what it has fitted."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
import torch

from autofi.core.progress import SilentProgress
from autofi.data.config import DEFAULT_STRATEGY, SearchSettings
from autofi.data.dataset import EncodedDataset
from autofi.data.load import open_data
from autofi.data.planted import PlantedSpec, generate
from autofi.errors import ConfigError
from autofi.space.architecture import Architecture
from autofi.space.load import load_space
from autofi.space.search_space import SearchSpace
from autofi.strategies.registry import get_strategy, strategies
from autofi.supernet.proposal import Proposal

SPEC = PlantedSpec(
    rows=6_000,
    cardinalities=(8, 10, 12, 30),
    names=("hour", "city", "device", "site"),
    memorize_pairs=((0, 1),),
    factorize_pairs=((2, 3),),
    memorize=1.5,
    factorize=2.0,
)


@pytest.fixture(scope="module")
def dataset() -> EncodedDataset:
    return open_data(generate(SPEC).table, SearchSettings(source=None, target="click"))


@pytest.fixture(scope="module")
def space() -> SearchSpace:
    found = load_space("optinter").model_dump()
    found["search"] |= {"epochs": 2, "explore": 30}
    return SearchSpace.model_validate(found)


def proposed(name: str, dataset: EncodedDataset, space: SearchSpace) -> Proposal:
    found = get_strategy(name).propose(
        dataset, space, seed=0, progress=SilentProgress(), device=torch.device("cpu")
    )
    return Proposal.from_json(json.loads(json.dumps(found.to_json())))


@pytest.mark.parametrize("name", strategies())
def test_candidates_are_the_same_for_every_worker_and_read_what_is_fitted(
    name: str, dataset: EncodedDataset, space: SearchSpace
) -> None:
    strategy, proposal = get_strategy(name), proposed(name, dataset, space)
    stored = SearchSpace.model_validate(json.loads(space.text()))
    leader, worker = (
        strategy.candidates(found, proposal, sampler="random", directions=["maximize"])
        for found in (space, stored)
    )
    fitted = set(strategy.pairs(proposal))
    ids: list[str] = []
    for seed in range(8):
        found, again = (side.next([], set(ids), seed=seed) for side in (leader, worker))
        assert found is not None and again is not None
        parameters, architecture = found
        assert (parameters, architecture.id) == (again[0], again[1].id)
        assert parameters.keys() == leader.distributions.keys()
        assert isinstance(architecture, Architecture) and set(architecture.fields) == set(SPEC.names)
        assert set(architecture.pairs) <= fitted
        assert set(architecture.pairs.values()) <= set(space.pairs.options)
        ids.append(architecture.id)
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("name", strategies())
def test_a_strategy_says_what_it_is_and_where_it_comes_from(name: str) -> None:
    strategy = strategies()[name]
    assert strategy.name == name and strategy.summary and strategy.source.startswith("https://")


def test_what_the_gradient_chose_is_the_only_layout(dataset: EncodedDataset, space: SearchSpace) -> None:
    strategy, proposal = get_strategy("gradient"), proposed("gradient", dataset, space)
    candidates = strategy.candidates(space, proposal, sampler="random", directions=["maximize"])
    layouts, ids = set(), set()
    for seed in range(5):
        found = candidates.next([], ids, seed=seed)
        assert found is not None
        ids.add(found[1].id)
        layouts.add((tuple(sorted(found[1].fields.items())), tuple(sorted(found[1].pairs.items()))))
    assert len(layouts) == 1 < len(ids)


def test_of_few_pairs_all_are_asked_about_and_of_many_those_that_lead(
    dataset: EncodedDataset, space: SearchSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = proposed("scratch", dataset, space).screened
    assert len(every) == 6 and set(every.values()) == {(0.0, 0.0)}
    monkeypatch.setattr("autofi.supernet.propose_without_supernet.OWN_PARAMETERS", 3)
    narrow = space.model_copy(update={"search": space.search.model_copy(update={"open_pairs": 1})})
    leading = proposed("scratch", dataset, narrow).screened
    # Cells explain a product too: both rankings may have the same pair in front.
    assert leading.keys() <= {("hour", "city"), ("device", "site")}
    assert all(max(scores) > 3.0 for scores in leading.values())


def test_an_unknown_strategy_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="staged"):
        get_strategy("stagd")
    assert DEFAULT_STRATEGY in strategies()
    assert all(earlier < later for earlier, later in pairwise(strategies()))
