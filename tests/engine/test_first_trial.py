"""A search trains its first models before the proposal, once, and its sampler learns from them."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
import yaml

import autofi
from autofi.core.time_budget import UNLIMITED, TimeBudget
from autofi.engine.observer import Observed
from autofi.engine.trials import _known, measure_unselected, worth_a_proposal
from autofi.space.search_space import SearchSpace
from autofi.store.stage_keys import PROPOSAL
from autofi.strategies.registry import get_strategy
from autofi.study.dashboard_observer import DashboardObserver
from autofi.supernet.proposal import Proposal
from tests.visits import visits

SPACE = {
    "name": "encoded",
    "summary": "Target encodings of pairs, or nothing.",
    "fields": {"forms": ["embedding", "statistics"], "search": True},
    "pairs": {"options": [[], ["memorize_statistics"]]},
    "head": {"name": "mlp", "hidden": [8]},
    "training": {"learning_rate": {"choices": [0.005, 0.001]}, "batch_size": 512, "epochs": 2},
    "search": {"epochs": 1, "explore": 0},
}


@pytest.fixture
def space(tmp_path: Path) -> Path:
    path = tmp_path / "encoded.yaml"
    path.write_text(yaml.safe_dump(SPACE))
    return path


def test_starts_are_trained_before_the_proposal_and_are_never_its_cost(space: Path, tmp_path: Path) -> None:
    found = autofi.search(
        visits(2000).drop(columns=["hour", "weight", "visit"]),
        target="click",
        space=space,
        study="mine",
        storage=str(tmp_path / "a.db"),
        trials=5,
        seeds=1,
        baselines=(),
        device="cpu",
    )
    with closing(found) as study:
        handle, bench = study._handle, study._bench
        first, second, *others = handle.trials()
        # Two trials are left to the proposal, and the space has two starts.
        assert (first.params, second.params) == ({}, {})
        assert first.attrs["start"]["pairs"] == "all_target_encoded"
        assert second.attrs["start"]["pairs"] == "naive"
        assert {one["forms"][0] for one in first.architecture["pairs"]} == {"memorize_statistics"}
        assert all("start" not in trial.attrs and "pairs" in trial.params for trial in others)
        assert len({trial.architecture_id for trial in handle.trials()}) == 5
        made = handle.stage(PROPOSAL)
        assert made is not None and made["ranked"] and made["cut"] is None
        # A study that has trials has had its first ones.
        assert bench is not None
        observed = Observed(DashboardObserver(), autofi.RichProgress())
        parsed = SearchSpace.model_validate(SPACE)
        measure_unselected(handle, bench, parsed, seed=0, observed=observed)
        assert len(handle.trials()) == 5
        # All trials are known to the sampler, whether they came before or after the proposal.
        candidates = get_strategy("staged").candidates(
            parsed, Proposal.from_json(made), sampler="random", directions=["maximize"]
        )
        assert all(_known(trial, candidates) is not None for trial in handle.trials())
        # With hardly any time left a proposal is not worth it; without a limit it always is.
        assert worth_a_proposal(handle, bench, parsed, UNLIMITED)
        assert worth_a_proposal(handle, bench, parsed, TimeBudget(3600.0))
        assert not worth_a_proposal(handle, bench, parsed, TimeBudget(1e-3))
