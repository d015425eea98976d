"""A search trains a first model before its proposal, once, and its sampler learns from it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
import yaml

import autofi
from autofi.engine.observer import Observed
from autofi.engine.trials import measure_first
from autofi.space.search_space import SearchSpace
from autofi.store.stage_keys import PROPOSAL
from autofi.study.dashboard_observer import DashboardObserver
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


def test_it_is_trained_first_and_the_proposal_is_never_its_cost(space: Path, tmp_path: Path) -> None:
    found = autofi.search(
        visits(2000).drop(columns=["hour", "weight", "visit"]),
        target="click",
        space=space,
        study="mine",
        storage=str(tmp_path / "a.db"),
        trials=4,
        seeds=1,
        baselines=(),
        device="cpu",
    )
    with closing(found) as study:
        handle, bench = study._handle, study._bench
        first, *others = handle.trials()
        assert first.params == {}
        assert all(len(one["forms"]) == 1 for one in first.architecture["pairs"])
        assert all("pairs" in trial.params for trial in others)
        assert len({trial.architecture_id for trial in (first, *others)}) == 4
        made = handle.stage(PROPOSAL)
        assert made is not None and made["ranked"]
        # A study that has trials has had its first one.
        assert bench is not None
        observed = Observed(DashboardObserver(), autofi.RichProgress())
        measure_first(handle, bench, SearchSpace.model_validate(SPACE), seed=0, observed=observed)
        assert len(handle.trials()) == 4
