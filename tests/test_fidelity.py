"""Rungs and plateaus in a whole search: what is stopped is kept as stopped, counts, and never wins."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet
import pytest
import yaml

import autofi
from autofi.data.planted import PlantedSpec, generate
from autofi.errors import StudyMismatchError
from autofi.samplers.successive_halving import RUNGS
from autofi.store import StudyStore, TrialState, resolve_storage

SPEC = PlantedSpec(
    rows=4_000,
    cardinalities=(8, 10, 12, 30),
    names=("hour", "city", "device", "site"),
    memorize_pairs=((0, 1),),
    factorize_pairs=((2, 3),),
    memorize=1.5,
    factorize=2.0,
)
SPACE = {
    "name": "rungs",
    "summary": "A small network over four fields.",
    "fields": {"forms": ["embedding"]},
    "pairs": {"options": [[], ["factorize_hadamard"], ["memorize_embedding"]]},
    "sizes": {"embedding_dim": {"choices": [4, 2, 8]}, "cross_dim": 4, "factor_dim": 4},
    "head": {"name": "mlp", "hidden": [16]},
    "training": {
        "learning_rate": {"low": 0.0005, "high": 0.02, "log": True, "default": 0.005},
        "batch_size": 256,
        "epochs": 2,
    },
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rungs")
    pyarrow.parquet.write_table(generate(SPEC).table, folder / "clicks.parquet")
    (folder / "space.yaml").write_text(yaml.safe_dump(SPACE))
    return folder


def searched(folder: Path, study: str, **settings: object) -> autofi.Study:
    given: dict[str, object] = {"trials": 9, "seeds": 1, "baselines": (), "strategy": "scratch"}
    return autofi.search(
        folder / "clicks.parquet",
        target="click",
        space=folder / "space.yaml",
        study=study,
        storage=f"sqlite:///{folder / 'studies.db'}",
        **(given | settings),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("fidelity", ["halving", "hyperband"])
@pytest.mark.parametrize("objectives", [("auc",), ("auc", "table_bytes")])
def test_the_best_third_climbs_and_the_rest_is_stopped(
    folder: Path, fidelity: str, objectives: tuple[str, ...]
) -> None:
    name = f"{fidelity}-{len(objectives)}"
    study = searched(folder, name, fidelity=fidelity, objectives=objectives)
    with StudyStore(resolve_storage(study.storage)) as store:
        handle = store.open(name)
        trials = handle.trials()
        stopped = handle.stage("stopped")
        frozen = handle.optuna_study.get_trials()
    states = [trial.state for trial in trials]
    assert len(trials) == 9 and set(states) == {TrialState.COMPLETE, TrialState.PRUNED}
    assert stopped == {"reason": "the 9 trials asked for are done", "trials": 9}
    for trial, shown in zip(trials, frozen, strict=True):
        rungs = trial.attrs.get("rungs", {})
        if trial.state is TrialState.PRUNED:
            assert 1 <= len(rungs) < len(RUNGS) and not trial.values
        assert [values[0] for values in rungs.values()] == list(shown.intermediate_values.values())
        assert all(len(values) == len(objectives) for values in rungs.values())
    board = study.leaderboard()
    complete = {trial.number for trial in trials if trial.state is TrialState.COMPLETE}
    assert set(board["trial"]) == complete
    assert study.summary()["best"]["trial"] in complete


def test_a_search_that_comes_to_nothing_better_ends_and_says_so(folder: Path) -> None:
    study = searched(folder, "plateau", trials=40, plateau=3)
    with StudyStore(resolve_storage(study.storage)) as store:
        handle = store.open("plateau")
        stopped, trials = handle.stage("stopped"), handle.trials()
    assert stopped is not None and stopped["reason"] == "none of the last 3 trials was better"
    values = [trial.value or 0.0 for trial in trials]
    assert len(values) < 40
    assert values.index(max(values)) == len(values) - 4
    assert study.summary()["stopped"] == stopped["reason"]


def test_a_study_keeps_its_plan(folder: Path) -> None:
    searched(folder, "plan", trials=2, fidelity="halving", sampler="random")
    # What is not said stays as it is, and what is said must be what it was.
    again = searched(folder, "plan", trials=3, strategy=None)
    assert again.summary()["stopped"] == "the 3 trials asked for are done"
    for key, value in {"strategy": "staged", "sampler": "tpe", "fidelity": "full"}.items():
        with pytest.raises(StudyMismatchError, match=f"another {key} .*now '{value}'"):
            searched(folder, "plan", **{key: value})
