"""One time for the whole run: what does not fit is left out and said, and a later run does it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import autofi
from autofi.baselines.train import cut_baselines, run_baselines
from autofi.cli.app import app
from autofi.core.progress import SilentProgress
from autofi.core.time_budget import TimeBudget
from autofi.data.boosted_trees import FOLDS, Boosting
from autofi.engine.finalists import run_finals
from autofi.engine.stopping import TIME_IS_UP, StoppingRule
from autofi.engine.trials import ended_trials, use_recorded_trees
from autofi.evaluation.workbench import Workbench
from autofi.records.best_trial import complete_trials
from autofi.records.predictions import load_predictions
from autofi.records.time_shares import needed_after_trials, typical_seconds
from autofi.space.architecture import Architecture
from autofi.store import ModelRole, TrialState
from autofi.store.stage_keys import PROPOSAL, STOPPED, TREES

pytest.importorskip("lightgbm")

SPACE = Path(__file__).parent / "spaces" / "several.yaml"
BASELINES = ("lr", "lightgbm")
TRIALS, SEEDS = 6, 2


@dataclass
class Notes(SilentProgress):
    said: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        self.said.append(text)


@dataclass(frozen=True)
class Searched:
    study: autofi.Study
    trainings: list[tuple[str, int]]
    notes: list[str]


def search(folder: Path, **changes: Any) -> Searched:
    trainings, train, notes = [], Workbench.train, Notes()

    def recorded(bench: Workbench, architecture: Any, **given: Any) -> Any:
        trainings.append((architecture.id, given["seed"]))
        return train(bench, architecture, **given)

    space = folder / "short.yaml"
    space.write_text(SPACE.read_text().replace("epochs: 24, patience: 24", "epochs: 5, patience: 5"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Workbench, "train", recorded)
        study = autofi.search(
            "planted:rows=2000",
            space=space,
            study="mine",
            storage=str(folder / "a.db"),
            trials=TRIALS,
            seeds=SEEDS,
            baselines=BASELINES,
            objectives=("auc", "table_bytes"),
            device="cpu",
            progress=notes,
            **changes,
        )
    return Searched(study, trainings, notes.said)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("timeout")


@pytest.fixture(scope="module")
def hurried(folder: Path) -> Iterator[Searched]:
    """A search whose time is up before its first trial."""
    found = search(folder, timeout=1e-3)
    yield found
    found.study.close()


@pytest.fixture(scope="module")
def summary(hurried: Searched) -> dict[str, Any]:
    """The notes of the hurried search, before a later one went on with it."""
    return hurried.study.summary()


@pytest.fixture(scope="module")
def resumed(hurried: Searched, summary: dict[str, Any], folder: Path) -> Iterator[Searched]:
    """The study after a second run, without a limit."""
    hurried.study.close()
    found = search(folder)
    yield found
    found.study.close()


def test_without_time_one_network_is_trained_and_becomes_the_winner(
    hurried: Searched, summary: dict[str, Any]
) -> None:
    assert len(hurried.trainings) == 1
    assert summary["winner"]["seeds"] == 1
    assert summary["winner"]["test"]["auc"] > 0
    assert summary["baselines"] == []
    assert summary["stopped"] == TIME_IS_UP


def test_what_was_left_out_is_said_and_recorded(hurried: Searched, summary: dict[str, Any]) -> None:
    left_out = ["1 of 2 seeds of the winner", "importances of fields", *BASELINES]
    assert [note for note in hurried.notes if "for time" in note] == [
        f"Left out for time: {', '.join(left_out)}."
    ]
    time = summary["time"]
    assert (time["limit"], time["left_out"], time["cut"]) == (1e-3, left_out, [])
    assert time["spent"] == pytest.approx(sum(time["stages"].values()))
    # The seconds of the study are of the same clock.
    assert summary["seconds"] == pytest.approx(time["stages"] | {"total": time["spent"]})
    assert set(time["stages"]) == {"encode", "search", "retrain", "baselines"}


def test_a_later_run_does_what_was_left_out(hurried: Searched, resumed: Searched) -> None:
    summary = resumed.study.summary()
    assert (summary["winner"]["seeds"], summary["time"]) == (SEEDS, None)
    assert {model["name"] for model in summary["baselines"]} == set(BASELINES)
    trials = [trial for trial in resumed.study._handle.trials() if trial.state is TrialState.COMPLETE]
    assert len(trials) == TRIALS
    assert hurried.trainings[0] not in resumed.trainings
    assert len(set(resumed.trainings)) == len(resumed.trainings)


def test_the_summary_says_it_in_one_line(hurried: Searched, folder: Path) -> None:
    told = search(folder, timeout=1e-3)  # everything is there, so that nothing is left out
    assert told.trainings == []
    told.study.close()
    shown = CliRunner(env={"COLUMNS": "300"}).invoke(app, ["show", "mine", "--storage", str(folder / "a.db")])
    (line,) = (line for line in shown.stdout.splitlines() if line.startswith("The time of "))
    assert "(encode " in line and "baselines " in line


def test_trials_leave_time_for_what_comes_after_them(resumed: Searched) -> None:
    handle = resumed.study._handle
    ended = ended_trials(handle)
    typical = typical_seconds(ended)
    assert typical > 0
    # The ensemble, both baselines, and one more seed of the winner and of the best baseline.
    assert needed_after_trials(handle, typical, 1e6) == pytest.approx(4.5 * typical)
    assert needed_after_trials(handle, typical, typical) == pytest.approx(typical / 2)

    def reason(left: float) -> str | None:
        until = datetime.now(UTC) + timedelta(seconds=left)
        return StoppingRule(TRIALS + 1, until, seconds=1e6).reached(handle, ended)

    assert reason(6 * typical + 1) is None
    assert reason(5 * typical) == TIME_IS_UP
    assert reason(-1) == TIME_IS_UP


def test_finals_begin_no_seed_that_does_not_fit(resumed: Searched) -> None:
    handle, bench = resumed.study._handle, resumed.study._bench
    assert bench is not None
    before = handle.models(ModelRole.FINALIST)
    assert before
    budget = TimeBudget(1e-3)
    # Of another first seed, so that all of them would be trained anew.
    run_finals(handle, bench, seed=50, budget=budget, progress=SilentProgress())
    assert handle.models(ModelRole.FINALIST) == before
    assert budget.left_out[0].startswith("seed 51 of ")


def test_trees_that_the_clock_ends_are_marked_and_trained_again_without_it(resumed: Searched) -> None:
    handle, bench = resumed.study._handle, resumed.study._bench
    assert bench is not None
    key = "baseline-lightgbm-40"

    class Late(TimeBudget):
        """A budget that was asked just before its end."""

        def fits(self, seconds: float) -> bool:
            return True

    budget = Late(1e-3)
    given = {"seeds": 1, "seed": 40, "progress": SilentProgress()}
    run_baselines(handle, bench, ("lightgbm",), budget=budget, **given)  # type: ignore[arg-type]
    assert budget.cut == ["lightgbm"]
    assert cut_baselines(handle) == (key,)
    assert resumed.study.summary()["time"]["cut_baselines"] == ["lightgbm-40"]
    short = load_predictions(handle, key)["valid"]
    run_baselines(handle, bench, ("lightgbm",), budget=TimeBudget(), **given)  # type: ignore[arg-type]
    assert cut_baselines(handle) == ()
    assert not (load_predictions(handle, key)["valid"] == short).all()


def test_boosted_trees_of_fewer_folds_are_the_same_in_every_process(resumed: Searched) -> None:
    handle, bench = resumed.study._handle, resumed.study._bench
    assert bench is not None
    trial = Architecture.from_json(complete_trials(handle)[0].architecture)
    boosted = dataclasses.replace(trial, boosting=Boosting(leaves=4))
    hurried, other = (Workbench(bench.dataset, device=bench.device, seed=0) for _ in range(2))
    budget = TimeBudget(1e-3)
    hurried.prepare([], boosted, budget=budget)  # one fold, and no more
    assert hurried.tree_folds == 1
    assert budget.cut == [f"boosted trees, of 1 instead of {FOLDS} folds"]
    handle.record_stage(TREES, {"folds": hurried.tree_folds})
    use_recorded_trees(handle, other)
    other.prepare([], boosted)
    mine, theirs = (one.with_boosted(boosted, *one.features(boosted))[0].boosted for one in (hurried, other))
    assert mine is not None and theirs is not None
    assert mine.models == theirs.models
    assert len(mine.models) == 1
    without = Workbench(bench.dataset, device=bench.device, seed=0)
    without.tree_folds = 0
    builder, features = without.with_boosted(boosted, *without.features(boosted))
    assert builder.boosted is not None
    assert builder.boosted.models == ()
    assert features.boosted is not None
    assert np.ptp(features.boosted[bench.dataset.parts["valid"]]) == 0  # it says nothing of any row
    assert handle.stage(STOPPED) is not None


FIRST = """\
name: first
summary: A space with a first model, which needs no proposal.
fields: {forms: [embedding, statistics], search: true}
pairs: {options: [[], [memorize_statistics], [memorize_embedding]]}
sizes: {embedding_dim: 4, cross_dim: 4}
head: {name: mlp, hidden: [16], dropout: 0.0}
boosting: {leaves: 4}
training: {learning_rate: 0.002, embedding_l2: 1.0e-5, batch_size: 256, epochs: 3, patience: 3, decay: 1.0}
search: {method: paths, epochs: 1, explore: 20}
"""


def test_without_time_for_a_second_trial_there_is_no_proposal_until_there_is(tmp_path: Path) -> None:
    space = tmp_path / "first.yaml"
    space.write_text(FIRST)

    def again(timeout: float | None) -> autofi.Study:
        return autofi.search(
            "planted:rows=2000",
            space=space,
            study="mine",
            storage=str(tmp_path / "a.db"),
            trials=2,
            seeds=1,
            baselines=(),
            device="cpu",
            timeout=timeout,
        )

    hurried = again(1e-3)
    handle = hurried._handle
    assert len(ended_trials(handle)) == 1
    assert handle.stage(PROPOSAL) is None
    time = hurried.summary()["time"]
    assert time["left_out"][:2] == ["boosted trees", "the proposal and all trials after it"]
    assert handle.stage(TREES) == {"folds": 0}
    hurried.close()
    later = again(None)
    summary = later.summary()
    assert len(ended_trials(later._handle)) == 2
    assert (later._handle.stage(PROPOSAL) or {})["cut"] is None
    # The trees stay as the first trial had them, and that goes on being said.
    assert (summary["time"]["limit"], summary["time"]["tree_folds"]) == (None, 0)
    later.close()
