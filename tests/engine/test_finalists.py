"""Architectures that one training cannot tell apart are trained with more seeds, and test is not read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import autofi
from autofi.engine.finalists import SEEDS
from autofi.records.best_trial import finalists
from autofi.store import ModelRole
from tests.visits import visits

SEVERAL = Path(__file__).parents[1] / "spaces" / "several.yaml"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[autofi.Study]:
    found = search(tmp_path_factory.mktemp("finals"), trials=3)
    yield found
    found.close()


def search(folder: Path, *, trials: int) -> autofi.Study:
    return autofi.search(
        visits(3000).drop(columns=["hour", "weight", "visit"]),
        target="click",
        space=SEVERAL,
        study="mine",
        storage=str(folder / "a.db"),
        trials=trials,
        seeds=1,
        baselines=(),
        device="cpu",
    )


def test_every_finalist_is_judged_by_the_same_seeds(study: autofi.Study) -> None:
    found = finalists(study._handle)
    assert len(found) > 1  # a small validation part cannot tell three random networks apart
    models = study._handle.models(ModelRole.FINALIST)
    expected = {(trial.architecture_id, seed) for trial in found for seed in range(1, SEEDS)}
    assert {(model.architecture_id, model.seed) for model in models} == expected
    for model in models:
        assert set(model.metrics) == {"valid"}


def test_the_winner_is_the_smallest_of_what_seeds_cannot_tell_from_the_lowest_mean_logloss(
    study: autofi.Study,
) -> None:
    losses = {}
    found = {trial.architecture_id: trial for trial in finalists(study._handle)}
    for key, trial in found.items():
        losses[key] = np.array(
            [trial.valid["logloss"]]
            + [
                model.metrics["valid"]["logloss"]
                for model in study._handle.models(ModelRole.FINALIST)
                if model.architecture_id == key
            ]
        )
    order = sorted(losses, key=lambda key: losses[key].mean())
    equal = []
    for key in order:
        apart = losses[key] - losses[order[0]]
        if apart.mean() > apart.std(ddof=1) / np.sqrt(SEEDS):
            break
        equal.append(key)
    fewest = min(found[key].table_bytes for key in equal)
    smallest = [key for key in equal if found[key].table_bytes == fewest]
    quickest = min(found[key].seconds for key in smallest)
    quick = [key for key in smallest if found[key].seconds - quickest <= max(0.2 * quickest, 1.0)]
    assert study.best.id == quick[0]  # of the lowest mean


def test_one_architecture_needs_no_finals(tmp_path: Path) -> None:
    alone = search(tmp_path, trials=1)
    assert alone._handle.models(ModelRole.FINALIST) == ()
    alone.close()
