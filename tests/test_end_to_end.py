"""From a table of clicks to scores of new rows: a search finds what was planted, all else agrees."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from optuna.artifacts import get_all_artifact_meta
from typer.testing import CliRunner

import autofi
from autofi.cli.app import app
from autofi.core.json import to_json_value
from autofi.data.planted import PlantedSpec, PlantedTable, generate
from autofi.errors import ExportError, StudyMismatchError
from autofi.metrics.ranking import auc, logloss
from autofi.records.predictions import load_predictions
from autofi.store import ModelRole, StudyStore, TrialState, resolve_storage
from autofi.store.kept_summary import kept_summary
from autofi.store.records import LEADERS
from autofi.study.dashboard_notes import MAP, TABLE

TRIALS, SEEDS = 2, 2
ROWS = 20_000


def search(source: Path, storage: str, **changes: Any) -> autofi.Study:
    given = {
        "study": "mine",
        "storage": storage,
        "trials": TRIALS,
        "seeds": SEEDS,
        "baselines": ("lr",),
        "device": "cpu",
        "overrides": autofi.SchemaOverrides(split_column="part"),
    }
    return autofi.search(source, **given | changes)


@dataclass(frozen=True)
class Searched:
    """A search that has ended, of `source` in `storage`, and what was planted."""

    study: autofi.Study
    source: Path
    storage: str
    planted: PlantedTable

    def again(self, **changes: Any) -> autofi.Study:
        return search(self.source, self.storage, **changes)

    @property
    def test_rows(self) -> pd.DataFrame:
        """The test rows as they were read, without what a new row has not: its click and its part."""
        frame = pd.read_parquet(self.source)
        return frame[frame["part"] == "test"].drop(columns=["click", "part"])


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Searched]:
    """Strong planted effects; among the test rows, values that training has not seen and missing ones."""
    folder = tmp_path_factory.mktemp("planted")
    planted = generate(PlantedSpec(rows=ROWS, memorize=1.5, seed=1))
    generator = np.random.default_rng(0)
    part = generator.choice(["train", "valid", "test"], ROWS, p=[0.8, 0.1, 0.1])
    frame = planted.table.to_pandas().assign(part=part)
    test = np.flatnonzero(part == "test")
    frame.loc[test[::7], "city"] = "never seen"
    frame.loc[test[::5], "site"] = None
    frame.loc[test[::9], "hour"] = "25"
    source = folder / "clicks.parquet"
    frame.to_parquet(source)
    storage = str(folder / "studies" / "a.db")
    study = search(source, storage)
    yield Searched(study, source, storage, planted)
    study.close()


def test_planted_pairs_are_found(searched: Searched) -> None:
    choices = {(pair["left"], pair["right"]): pair["choice"] for pair in searched.study.summary()["pairs"]}
    truth = searched.planted.truth
    assert list(choices) == list(combinations(searched.planted.spec.names, 2)) == list(truth)
    assert [choices[pair] for pair, kind in truth.items() if kind == "memorize"] == ["memorize", "memorize"]
    noise = [choices[pair] for pair, kind in truth.items() if kind == "naive"]
    assert noise.count("naive") >= 0.9 * len(noise)


def test_the_summary_holds_what_is_promised(searched: Searched) -> None:
    summary = searched.study.summary()
    assert list(summary) == [
        *(
            "study",
            "storage",
            "best",
            "best_so_far",
            "winner",
            "baselines",
            "comparison",
            "untested",
            "apart",
            "pairs",
            "fields",
            "streams",
            "boosted_share",
            "warnings",
            "objectives",
            "limits",
            "front",
            "missed",
            "choice",
            "reasons",
            "retrained",
            "counted_earlier",
            "explored",
            "stopped",
            "time",
            "seconds",
        )
    ]
    assert json.loads(json.dumps(summary)) == summary
    assert (summary["study"], Path(summary["storage"].removeprefix("sqlite:///"))) == (
        "mine",
        Path(searched.storage),
    )
    best, winner, (baseline,) = summary["best"], summary["winner"], summary["baselines"]
    assert best["trial"] in range(TRIALS)
    assert best["architecture_id"] == searched.study.best.id
    assert set(best["valid"]) == {"auc", "logloss"}
    for model, seeds in ((winner, SEEDS), (baseline, SEEDS)):
        assert model["seeds"] == seeds
        assert model["parameters"] > 0
        assert model["table_bytes"] >= 0
        assert set(model["valid"]) == {"auc", "auc_error", "logloss", "ece"}
        assert {"auc", "logloss", "auc_std", "auc_interval"} <= set(model["test"])
        low, high = model["test"]["auc_interval"]
        assert low < model["test"]["auc"] < high
    assert baseline["name"] == "lr"
    assert {"left", "right", "choice", "form"} == set(summary["pairs"][0])
    assert [field["name"] for field in summary["fields"]] == list(searched.planted.spec.names)
    seconds = summary["seconds"]
    parts = [seconds[name] for name in ("encode", "search", "retrain", "baselines")]
    assert seconds["total"] == pytest.approx(sum(parts))
    assert min(parts) > 0
    # Logistic regression cannot see a planted pair: the difference is large, and told as such.
    for found, metric in ((summary["comparison"], "auc"), (summary["comparison"]["logloss"], "logloss")):
        assert found["verdict"] == "better"
        assert found["difference"] == pytest.approx(winner["test"][metric] - baseline["test"][metric])
        low, high = found["interval"]
        assert low < found["difference"] < high
    assert winner["test"]["auc"] < searched.planted.bayes_auc


def test_the_leaderboard_has_every_trial_best_first(searched: Searched) -> None:
    board = searched.study.leaderboard()
    assert sorted(board["trial"]) == list(range(TRIALS))
    assert board["valid_auc"].is_monotonic_decreasing
    assert board["architecture_id"].is_unique
    # The finals may prefer one that its first seed did not put first.
    assert searched.study.best.id in set(board["architecture_id"])


def test_the_bundle_predicts_what_the_network_in_memory_did(searched: Searched, tmp_path: Path) -> None:
    bundle = searched.study.export(tmp_path / "model")
    with StudyStore(resolve_storage(searched.storage)) as store:
        study = store.open("mine")
        model = max(study.models(ModelRole.WINNER), key=lambda model: model.metrics["valid"]["auc"])
        in_memory = load_predictions(study, f"winner-{model.architecture_id}-{model.seed}")["test"]
        assert study.exports()[-1].path == bundle
    rows = searched.test_rows
    assert len(rows) == len(in_memory)
    assert rows["site"].isna().sum() > 300
    predictor = autofi.load(bundle)
    np.testing.assert_allclose(predictor.predict_proba(rows), in_memory, rtol=0, atol=1e-6)
    # Other columns, in another order, through a file.
    shuffled = rows[rows.columns[::-1]].assign(extra=1)
    shuffled.to_csv(tmp_path / "rows.csv", index=False)
    assert predictor.predict_file(tmp_path / "rows.csv", tmp_path / "scores.parquet") == len(rows)
    scores = pd.read_parquet(tmp_path / "scores.parquet")["probability"]
    np.testing.assert_allclose(scores, in_memory, rtol=0, atol=1e-6)
    # And its figures are those of the summary's model.
    frame = pd.read_parquet(searched.source)
    test = frame[frame["part"] == "test"]
    figures = predictor.evaluate(test)
    assert figures["rows"] == len(test)
    assert figures["auc"] == pytest.approx(auc(test["click"].to_numpy(), in_memory), abs=1e-5)
    assert figures["logloss"] == pytest.approx(logloss(test["click"].to_numpy(), in_memory), abs=1e-6)
    assert model.metrics["test"]["auc"] == pytest.approx(figures["auc"], abs=1e-6)


def test_show_prints_the_same_object(searched: Searched) -> None:
    shown = CliRunner().invoke(app, ["show", "mine", "--json", "--storage", searched.storage])
    assert shown.exit_code == 0, shown.output
    assert json.loads(shown.stdout) == searched.study.summary()
    wide = CliRunner(env={"COLUMNS": "140"})  # a narrow terminal folds names
    table = wide.invoke(app, ["show", "mine", "--storage", searched.storage])
    assert table.exit_code == 0, table.output
    for part in (
        "Leaderboard",
        "The winner is better than lr",
        "95 % interval",
        " memorize, ",
        "autofi export mine",
    ):
        assert part in table.stdout


def test_the_study_is_listed(searched: Searched) -> None:
    (listed,) = autofi.list_studies(searched.storage)
    assert (listed.name, listed.trials, listed.space_name) == ("mine", TRIALS, "default")
    assert listed.data_source == str(searched.source)
    assert listed.winner == searched.study.best.id


def test_its_summary_was_kept_when_the_search_ended(searched: Searched) -> None:
    found = kept_summary("mine", resolve_storage(searched.storage))
    assert found is not None
    assert found.summary == to_json_value(searched.study._computed_summary())
    leaderboard = searched.study.leaderboard()
    assert [row["trial"] for row in found.leaders] == list(leaderboard["trial"][:LEADERS])
    assert found.trials == len(leaderboard) == TRIALS


def test_the_dashboard_has_notes_files_and_figures(searched: Searched) -> None:
    with StudyStore(resolve_storage(searched.storage)) as store:
        study = store.open("mine")
        assert study.shown.noted() == set(range(TRIALS))
        assert study.shown.has_figure(MAP) and study.shown.has_figure(TABLE)
        storage = study.optuna_study._storage
        for trial in study.optuna_study.get_trials():
            listed = {meta.filename for meta in get_all_artifact_meta(trial, storage=storage)}
            assert listed == {"architecture.json", "predictions.npz"}
        manifests = {meta.filename for meta in get_all_artifact_meta(study.optuna_study)}
        winners = study.models(ModelRole.WINNER)
        assert manifests == {f"{model.path.name}-manifest.json" for model in winners if model.path}
        assert len(manifests) == SEEDS


def test_a_resume_does_nothing_again(searched: Searched) -> None:
    def recorded() -> tuple[object, object]:
        with StudyStore(resolve_storage(searched.storage)) as store:
            study = store.open("mine")
            return study.trials(), study.models()

    before, summary = recorded(), searched.study.summary()
    resumed = searched.again()
    assert recorded() == before
    without_time = {key: value for key, value in resumed.summary().items() if key != "seconds"}
    assert without_time == {key: value for key, value in summary.items() if key != "seconds"}
    resumed.close()


def test_another_space_or_other_data_needs_another_name(searched: Searched) -> None:
    with pytest.raises(StudyMismatchError, match=r"another search space \('default' .* now 'lr'"):
        searched.again(space="lr")
    with pytest.raises(StudyMismatchError, match="other data"):
        searched.again(overrides=autofi.SchemaOverrides(split_column="part", ignore=("slot",)))


# These change the study: they come last.


def test_more_seeds_and_more_trials_add_to_what_is_there(searched: Searched, tmp_path: Path) -> None:
    opened = autofi.open_study("mine", storage=searched.storage)
    opened.retrain(seeds=SEEDS + 1)
    assert opened.summary()["winner"]["seeds"] == SEEDS + 1
    more = searched.again(trials=TRIALS + 1)
    with StudyStore(resolve_storage(searched.storage)) as store:
        trials = store.open("mine").trials()
    assert [trial.number for trial in trials if trial.state is TrialState.COMPLETE] == list(range(TRIALS + 1))
    assert len({trial.architecture_id for trial in trials}) == TRIALS + 1
    more.close()
    opened.close()


def test_another_trial_can_be_made_the_winner(searched: Searched, tmp_path: Path) -> None:
    opened = autofi.open_study("mine", storage=searched.storage)
    board = opened.leaderboard()
    with StudyStore(resolve_storage(searched.storage)) as store:
        retrained = {model.architecture_id for model in store.open("mine").models(ModelRole.WINNER)}
    other = board[~board["architecture_id"].isin({*retrained, opened.best.id})].iloc[0]
    opened.retrain(trial=int(other["trial"]), seeds=1, make_winner=True)
    assert opened.summary()["winner"]["seeds"] == 1
    exported = autofi.load(opened.export(tmp_path / "other"))
    assert exported.architecture.id == other["architecture_id"] != opened.best.id
    opened.close()


def test_a_study_without_a_retrained_winner_is_not_exported(tmp_path: Path) -> None:
    frame = generate(PlantedSpec(rows=400, seed=1)).table.to_pandas()
    storage = str(tmp_path / "a.db")
    study = autofi.search(frame, space="lr", study="s", storage=storage, seeds=1, baselines=())
    with StudyStore(resolve_storage(storage)) as store:
        handle = store.open("s")
        handle.record_stage("winner", {"architecture_id": "another", "trial": 0, "refit": False})
    with pytest.raises(ExportError, match="autofi retrain s"):
        study.export(tmp_path / "model")
    assert not (tmp_path / "model").exists()
    study.close()
