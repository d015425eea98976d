"""A search delivers an ensemble of networks that it has trained, where it is better on rows that did not select it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import autofi
from autofi.bundle.bundle import load_bundle
from autofi.cli.app import app
from autofi.core.progress import SilentProgress
from autofi.core.time_budget import TimeBudget
from autofi.data.planted import PlantedSpec, generate
from autofi.errors import ConfigError
from autofi.evaluation.cost import measure_costs
from autofi.metrics.ranking import auc, logloss
from autofi.objectives.objectives import Goals
from autofi.records.ensembles import delivered_ensemble
from autofi.records.kept_networks import FOLDER
from autofi.records.predictions import load_labels, load_predictions, model_key
from autofi.records.winner import crowned
from autofi.store import ModelRole
from autofi.store.search_settings import SearchSettings
from autofi.store.stage_keys import ENSEMBLE
from autofi.study.ensemble import AUTO_MEMBERS, build_ensemble, check_ensemble, most_members
from autofi.text.ensemble import ensemble_words

SEVERAL = Path(__file__).parents[1] / "spaces" / "several.yaml"
SEEDS, TRIALS = 2, 3


def table() -> pd.DataFrame:
    found = generate(PlantedSpec(rows=2000)).table.to_pandas()
    part = np.random.default_rng(0).choice(["train", "valid", "test"], len(found), p=[0.6, 0.2, 0.2])
    return found.assign(part=part)


def search(folder: Path, name: str = "mine", **changes: Any) -> autofi.Study:
    space = folder / "short.yaml"
    space.write_text(SEVERAL.read_text().replace("epochs: 24, patience: 24", "epochs: 3, patience: 3"))
    given = {"trials": TRIALS, "seeds": SEEDS, "baselines": ("lr",), "device": "cpu", "strategy": "scratch"}
    return autofi.search(
        table(),
        target="click",
        study=name,
        storage=str(folder / "a.db"),
        space=space,
        overrides=autofi.SchemaOverrides(split_column="part"),
        **given | changes,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ensemble")


@pytest.fixture(scope="module")
def searched(folder: Path) -> Iterator[autofi.Study]:
    study = search(folder)
    yield study
    study.close()


def test_members_are_networks_of_the_search(searched: autofi.Study) -> None:
    summary = searched.summary()
    members = summary["ensemble"]["members"]
    assert 2 <= len(members) <= AUTO_MEMBERS
    assert sum(member["weight"] for member in members) == pytest.approx(1)
    trials = {trial.number: trial for trial in searched._handle.trials()}
    finals = {(model.architecture_id, model.seed) for model in searched._handle.models(ModelRole.FINALIST)}
    won = {(model.architecture_id, model.seed) for model in searched._handle.models(ModelRole.WINNER)}
    for member in members:
        trial = trials[member["trial"]]
        assert trial.architecture_id == member["architecture_id"]
        known = {*finals, *won, (trial.architecture_id, trial.seed)}
        assert (trial.architecture_id, member["seed"]) in known
    assert summary["choice"]["trial"] in {member["trial"] for member in members}
    assert not list(searched._handle.artifacts.glob(FOLDER))


def test_figures_are_those_of_the_predictions(searched: autofi.Study) -> None:
    handle, summary = searched._handle, searched.summary()
    found = delivered_ensemble(handle)
    assert found is not None
    for part in ("valid", "test"):
        labels, scores = load_labels(handle, part), load_predictions(handle, model_key(found.model))[part]
        assert labels is not None
        assert summary["ensemble"][part]["auc"] == pytest.approx(auc(labels, scores))
        assert summary["ensemble"][part]["logloss"] == pytest.approx(logloss(labels, scores))
    gain = summary["winner"]["valid"]["logloss"] - summary["ensemble"]["valid"]["logloss"]
    assert summary["ensemble"]["gain"] == pytest.approx(gain) and gain > 0


def test_test_rows_are_scored_as_the_mean_of_its_members(searched: autofi.Study) -> None:
    found, bench = delivered_ensemble(searched._handle), searched._bench
    assert found is not None and found.model.path is not None and bench is not None
    bundle = load_bundle(found.model.path)
    rows = bench.dataset.rows("test")
    features = bundle.builder.of_rows(rows)
    wanted = np.zeros(len(rows))
    for network, member in zip(bundle.network.networks().values(), bundle.members, strict=True):
        wanted += member.weight * network(network.select(features)).double().sigmoid().numpy()
    kept = load_predictions(searched._handle, model_key(found.model))["test"]
    np.testing.assert_allclose(kept, wanted, atol=1e-6)
    # The winner's members give what its own models gave.
    for network, member in zip(bundle.network.networks().values(), bundle.members, strict=True):
        for model in searched._handle.models(ModelRole.WINNER):
            if (model.architecture_id, model.seed) == (member.architecture.id, member.seed):
                own = network(network.select(features)).double().sigmoid().numpy()
                before = load_predictions(searched._handle, model_key(model))["test"]
                np.testing.assert_allclose(own, before, atol=1e-6)


def test_costs_are_measured_on_the_delivered_model(searched: autofi.Study) -> None:
    found = delivered_ensemble(searched._handle)
    assert found is not None and found.model.path is not None
    bundle = load_bundle(found.model.path)
    costs = measure_costs(bundle.network, bundle.builder)
    told = searched.summary()["ensemble"]
    assert (told["parameters"], told["table_bytes"], told["flops"]) == (
        costs.parameters,
        costs.table_bytes,
        costs.flops,
    )


def test_export_writes_the_ensemble_and_single_the_winner(searched: autofi.Study, tmp_path: Path) -> None:
    rows = table()
    part = rows["part"] == "test"
    found = delivered_ensemble(searched._handle)
    assert found is not None
    searched.export(tmp_path / "model", forms=("torch",))
    kept = load_predictions(searched._handle, model_key(found.model))["test"]
    scores = autofi.load(tmp_path / "model").predict_proba(rows[part])
    np.testing.assert_allclose(np.sort(scores), np.sort(kept), atol=1e-6)
    searched.export(tmp_path / "single", forms=("torch",), single=True)
    assert not load_bundle(tmp_path / "single").members
    assert load_bundle(tmp_path / "model").members
    choice = crowned(searched._handle)
    assert choice is not None
    for name in ("model", "single"):
        assert autofi.load(tmp_path / name).architecture_id == choice.architecture_id
    assert {one.architecture_id for one in searched._handle.exports()} == {choice.architecture_id}


def test_calibration_is_fitted_on_out_of_fold_predictions(searched: autofi.Study, tmp_path: Path) -> None:
    searched.export(tmp_path / "model", forms=("torch",), calibrate="platt")
    assert load_bundle(tmp_path / "model").calibration is not None


def test_what_is_delivered_is_compared_and_told(searched: autofi.Study, tmp_path: Path) -> None:
    summary = searched.summary()
    comparison = summary["comparison"]
    assert comparison["model"] == "ensemble"
    baseline = next(one for one in summary["baselines"] if one["name"] == comparison["baseline"])
    difference = summary["ensemble"]["test"]["auc"] - baseline["test"]["auc"]
    assert comparison["difference"] == pytest.approx(difference)
    name = f"ensemble of {len(summary['ensemble']['members'])}"
    shown = CliRunner().invoke(app, ["show", "mine", "--storage", searched.storage])
    assert name in shown.stdout and "The study delivers the mean of" in shown.stdout
    for form in ("html", "md", "json"):
        searched.report(tmp_path / ("folder" if form == "md" else f"report.{form}"), form)
    assert name in (tmp_path / "folder" / "report.md").read_text()
    assert "The study delivers the mean of" in (tmp_path / "report.html").read_text()
    assert '"ensemble"' in (tmp_path / "report.json").read_text()


def test_words_name_every_trial_with_its_share() -> None:
    members = [
        {"trial": 3, "seed": 0, "weight": 0.5},
        {"trial": 3, "seed": 1, "weight": 0.25},
        {"trial": 5, "seed": 0, "weight": 0.25},
    ]
    said = ensemble_words({"ensemble": {"members": members, "gain": 0.00123, "greedy": True}})
    assert said == (
        "The study delivers the mean of 3 networks: 75% trial 3 (2 seeds), 25% trial 5. Its logloss on validation "
        "rows that did not select them is 0.00123 below the winner's mean over its seeds."
    )
    assert ensemble_words({"ensemble": None}) == ""


def test_a_resumed_search_keeps_it_and_reads_no_test_rows_again(
    searched: autofi.Study, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = searched.summary()["ensemble"]
    created = [model.created_at for model in searched._handle.models(ModelRole.ENSEMBLE)]

    def refuse(*given: Any, **named: Any) -> None:
        raise AssertionError("the ensemble is selected again")

    monkeypatch.setattr("autofi.study.ensemble.gather_candidates", refuse)
    again = search(folder)
    assert again.summary()["ensemble"] == before
    assert [model.created_at for model in again._handle.models(ModelRole.ENSEMBLE)] == created
    again.close()


def test_an_earlier_ensemble_stays_where_fewer_networks_are_left(
    searched: autofi.Study, folder: Path
) -> None:
    """More seeds of the winner ask for a new selection, but the networks of other trials are gone by then."""
    before = searched.summary()["ensemble"]
    searched.retrain(seeds=SEEDS + 1)
    after = searched.summary()["ensemble"]
    assert after["valid"]["logloss"] <= before["valid"]["logloss"]
    assert searched._handle.stage(ENSEMBLE)["asked"]["seeds"] == [0, 1, 2]  # type: ignore[index]


def test_off_delivers_the_winner_alone(folder: Path, tmp_path: Path) -> None:
    study = search(folder, "single", ensemble="off", trials=2, seeds=1, baselines=())
    assert study.summary()["ensemble"] is None
    assert study._handle.stage(ENSEMBLE) is None and not study._handle.models(ModelRole.ENSEMBLE)
    study.export(tmp_path / "model", forms=("torch",))
    assert not load_bundle(tmp_path / "model").members
    # It is kept with the study.
    assert SearchSettings.from_json(study._handle.record.settings).ensemble == "off"
    study.close()
    again = search(folder, "single", trials=2, seeds=1, baselines=())
    assert again.summary()["ensemble"] is None
    again.close()


def test_limits_hold_for_the_whole_ensemble(folder: Path) -> None:
    plain = delivered_ensemble(autofi.open_study("mine", str(folder / "a.db"))._handle)
    assert plain is not None and plain.model.table_bytes is not None
    bound = plain.model.table_bytes - 1
    study = search(folder, "limited", limits=(f"table_bytes<={bound}",))
    found = study.summary()["ensemble"]
    winner = study.summary()["winner"]
    assert winner["table_bytes"] <= bound
    assert found is None or found["table_bytes"] <= bound
    study.close()


def test_a_refitted_winner_is_averaged_over_its_seeds_alone(folder: Path) -> None:
    study = search(folder, "refitted", refit=True, baselines=())
    handle = study._handle
    found, winners = delivered_ensemble(handle), handle.models(ModelRole.WINNER)
    selection = handle.stage(ENSEMBLE)
    assert selection is not None and len(winners) == SEEDS
    assert (found is None) == (selection["gain"] <= 0)
    if found is not None:
        assert [member["seed"] for member in found.selection["members"]] == [0, 1]
        parts = [load_predictions(handle, model_key(model))["test"] for model in winners]
        kept = load_predictions(handle, model_key(found.model))["test"]
        np.testing.assert_allclose(kept, np.mean(parts, 0), atol=1e-6)
    study.close()


def test_a_winner_chosen_by_hand_is_joined_by_no_other_architecture(folder: Path) -> None:
    study = search(folder, "by-hand", baselines=())
    choice = crowned(study._handle)
    assert choice is not None
    other = next(number for number in range(TRIALS) if number != choice.trial)
    study.retrain(other, make_winner=True)
    asked = study._handle.stage(ENSEMBLE)
    assert asked is not None and asked["asked"]["architecture_id"] != choice.architecture_id
    assert {member["trial"] for member in asked["members"]} <= {other}
    study.close()


def test_a_killed_search_selects_the_same_ensemble_when_it_goes_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Networks are kept until the end, so that nothing is lost before the ensemble is recorded."""

    def killed(*given: Any, **named: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("autofi.study.ensemble.write_bundle", killed)
        with pytest.raises(KeyboardInterrupt):
            search(folder, "killed")
    again = search(folder, "killed")
    wanted = autofi.open_study("mine", str(folder / "a.db"))
    found = again.summary()["ensemble"]
    assert found is not None
    # Another test retrains the winner of the first study with one more seed.
    assert [(one["trial"], one["seed"]) for one in found["members"]] == [
        (one["trial"], one["seed"]) for one in wanted.summary()["ensemble"]["members"]
    ]
    again.close()
    wanted.close()


def test_no_time_leaves_it_out(searched: autofi.Study) -> None:
    handle, bench, choice = searched._handle, searched._bench, crowned(searched._handle)
    assert bench is not None and choice is not None
    budget = TimeBudget(0.0)
    before = handle.stage(ENSEMBLE)
    build_ensemble(
        handle, bench, choice, setting="3", seed=0, refit=False, progress=SilentProgress(), budget=budget
    )
    assert budget.left_out == ["the ensemble"] and handle.stage(ENSEMBLE) == before


@pytest.mark.parametrize(
    ("setting", "objectives", "most"),
    [
        ("auto", ["auc"], AUTO_MEMBERS),
        ("auto", ["logloss", "auc"], AUTO_MEMBERS),
        ("auto", ["auc", "table_bytes"], 0),
        ("3", ["auc", "table_bytes"], 3),
        ("off", ["auc"], 0),
        ("12", ["auc"], 12),
    ],
)
def test_the_option_is_the_most_members(setting: str, objectives: list[str], most: int) -> None:
    assert most_members(check_ensemble(setting), Goals.parse(objectives)) == most


@pytest.mark.parametrize("given", ["1", "0", "65", "-3", "on", "2.5", 0])
def test_other_values_are_refused_in_one_line(given: str | int, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"^The ensemble is '{given}'; write auto, off, or"):
        check_ensemble(given)
    storage = f"sqlite:///{tmp_path}/a.db"
    with pytest.raises(ConfigError, match=f"^The ensemble is '{given}'"):
        autofi.search("planted", ensemble=given, storage=storage)
    ran = CliRunner().invoke(app, ["search", "planted", f"--ensemble={given}", "--storage", storage])
    assert ran.exit_code == 2 and len(ran.stderr.splitlines()) == 1
    assert not (tmp_path / "a.db").exists()


def test_studies_of_earlier_versions_have_none() -> None:
    kept = SearchSettings(None).to_json()
    del kept["ensemble"]
    assert SearchSettings.from_json(kept).ensemble == "off"
