"""The contract of a strategy: candidates of its space, the same for every worker, that read what it has fitted."""

from __future__ import annotations

import json
from functools import cache

import torch

from autofi.core.progress import SilentProgress
from autofi.data.dataset import EncodedDataset
from autofi.data.load import open_data
from autofi.data.planted import PlantedSpec, generate
from autofi.space.architecture import Architecture
from autofi.space.load import load_space
from autofi.space.search_space import SearchSpace
from autofi.store.search_settings import SearchSettings
from autofi.strategies.registry import get_strategy, strategies
from autofi.supernet.proposal import Proposal
from autofi.testing.contract import Contract

#: A table of four fields: one pair to memorize, one to factorize.
SPEC = PlantedSpec(
    rows=6_000,
    cardinalities=(8, 10, 12, 30),
    names=("hour", "city", "device", "site"),
    memorize_pairs=((0, 1),),
    factorize_pairs=((2, 3),),
    memorize=1.5,
    factorize=2.0,
)


class StrategyContract(Contract):
    """The contract of every strategy, on a small table with planted interactions."""

    def test_it_says_what_it_is(self, name: str) -> None:
        strategy = strategies()[name]
        assert strategy.name == name and strategy.summary and strategy.source.startswith("https://")

    def test_candidates_are_the_same_for_every_worker_and_read_what_is_fitted(self, name: str) -> None:
        space = example_space()
        strategy, proposal = get_strategy(name), proposed(name, space)
        stored = SearchSpace.model_validate(json.loads(space.text()))
        leader, worker = (
            strategy.candidates(found, proposal, sampler="random", directions=["maximize"])
            for found in (space, stored)
        )
        fitted = set(strategy.pairs(proposal))
        ids: list[str] = []
        for seed in range(8):
            found, again = (side.suggest([], set(ids), seed=seed) for side in (leader, worker))
            assert found is not None and again is not None
            parameters, architecture = found
            assert (parameters, architecture.id) == (again[0], again[1].id)
            assert parameters.keys() == leader.distributions.keys()
            assert isinstance(architecture, Architecture) and set(architecture.fields) == set(SPEC.names)
            assert set(architecture.pairs) <= fitted
            assert set(architecture.pairs.values()) <= set(space.pairs.options)
            ids.append(architecture.id)
        assert len(set(ids)) == len(ids)


@cache
def example_dataset() -> EncodedDataset:
    """Return the encoded table, made once."""
    return open_data(generate(SPEC).table, SearchSettings(source=None, target="click"))


@cache
def example_space() -> SearchSpace:
    """Return the space `optinter` with a short search."""
    found = load_space("optinter").model_dump()
    found["search"] |= {"epochs": 2, "explore": 30}
    return SearchSpace.model_validate(found)


def proposed(name: str, space: SearchSpace) -> Proposal:
    """Return what a strategy proposes for the table, as a worker reads it from the study."""
    found = get_strategy(name).propose(
        example_dataset(), space, seed=0, progress=SilentProgress(), device=torch.device("cpu")
    )
    return Proposal.from_json(json.loads(json.dumps(found.to_json())))
