"""Every registered strategy keeps the contract, and what single ones promise beside it."""

from __future__ import annotations

from itertools import pairwise

import pytest

from autofi.errors import ConfigError
from autofi.store.search_settings import DEFAULT_STRATEGY
from autofi.strategies.registry import get_strategy, strategies
from autofi.testing import StrategyContract
from autofi.testing.strategies import example_space, proposed


class TestEveryStrategy(StrategyContract):
    names = tuple(strategies())


def test_what_the_gradient_chose_is_the_only_layout() -> None:
    space = example_space()
    strategy, proposal = get_strategy("gradient"), proposed("gradient", space)
    candidates = strategy.candidates(space, proposal, sampler="random", directions=["maximize"])
    layouts, ids = set(), set()
    for seed in range(5):
        found = candidates.suggest([], ids, seed=seed)
        assert found is not None
        ids.add(found[1].id)
        layouts.add((tuple(sorted(found[1].fields.items())), tuple(sorted(found[1].pairs.items()))))
    assert len(layouts) == 1 < len(ids)


def test_of_few_pairs_all_are_asked_about_and_of_many_those_that_lead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    space = example_space()
    every = proposed("scratch", space).screening_scores
    assert len(every) == 6 and set(every.values()) == {(0.0, 0.0)}
    monkeypatch.setattr("autofi.supernet.propose_without_supernet.OWN_PARAMETERS", 3)
    narrow = space.model_copy(update={"search": space.search.model_copy(update={"open_pairs": 1})})
    leading = proposed("scratch", narrow).screening_scores
    # Cells explain a product too: both rankings may have the same pair in front.
    assert leading.keys() <= {("hour", "city"), ("device", "site")}
    assert all(max(scores) > 3.0 for scores in leading.values())


def test_an_unknown_strategy_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="staged"):
        get_strategy("stagd")
    assert DEFAULT_STRATEGY in strategies()
    assert all(earlier < later for earlier, later in pairwise(strategies()))
