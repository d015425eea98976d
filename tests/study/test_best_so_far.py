"""The best trial so far can be exported while a search runs, and after it was interrupted."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

import autofi
from autofi.bundle.bundle import load_bundle, write_bundle
from autofi.cli.app import app
from autofi.core.progress import SilentProgress
from autofi.data.planted import PlantedSpec, generate
from autofi.errors import ExportError
from autofi.evaluation.trained_weights import read_weights
from autofi.export.export import export_bundle
from autofi.records.best_so_far import FOLDER, keep_best_so_far
from autofi.records.best_trial import complete_trials
from autofi.records.kept_networks import kept_network
from autofi.records.predictions import load_predictions, trial_key
from autofi.report.html_page import page_html
from autofi.space.architecture import Architecture
from autofi.store import TrialRecord
from tests.store.examples import start

SPACES = Path(__file__).parents[1] / "spaces"
TRIALS = 4


def table() -> pd.DataFrame:
    frame = generate(PlantedSpec(rows=3000)).table.to_pandas()
    part = np.random.default_rng(0).choice(["train", "valid", "test"], len(frame), p=[0.6, 0.2, 0.2])
    return frame.assign(part=part)


def search(
    storage: Path, progress: SilentProgress, *, space: str = "several", **changes: Any
) -> autofi.Study:
    written = storage.parent / "short.yaml"
    written.write_text(
        (SPACES / f"{space}.yaml").read_text().replace("epochs: 24, patience: 24", "epochs: 3, patience: 3")
    )
    source = storage.parent / "clicks.parquet"
    table().to_parquet(source)
    given = {"trials": TRIALS + 1, "seeds": 1, "baselines": (), "device": "cpu"}
    return autofi.search(
        source,
        target="click",
        study="mine",
        storage=str(storage),
        space=written,
        overrides=autofi.SchemaOverrides(split_column="part"),
        progress=progress,
        **given | changes,
    )


class Exporting(SilentProgress):
    """A user that opens the study anew after every trial, exports and describes what is there, and ends the search."""

    def __init__(self, storage: Path) -> None:
        self.storage = storage
        self.found: list[tuple[list[TrialRecord], Path, dict[str, Any], dict[str, Any]]] = []

    def note(self, text: str) -> None:
        if text.startswith("Trial ") and "valid AUC" in text:
            study = autofi.open_study("mine", storage=str(self.storage))
            target = self.storage.parent / f"after-{len(self.found)}"
            study.export(target, forms=["torch"])
            predictions = {
                trial.number: load_predictions(study._handle, trial_key(trial.number))
                for trial in complete_trials(study._handle)
            }
            self.found.append((complete_trials(study._handle), target, study.summary(), predictions))
            study.close()
            if len(self.found) == TRIALS:
                raise KeyboardInterrupt


class Interrupting(SilentProgress):
    """A user that presses Ctrl-C after some trials."""

    def __init__(self, trials: int) -> None:
        self.left = trials

    def note(self, text: str) -> None:
        self.left -= text.startswith("Trial ") and "valid AUC" in text
        if self.left == 0:
            raise KeyboardInterrupt


def interrupted(folder: Path, trials: int = 2, **changes: Any) -> autofi.Study:
    with pytest.raises(KeyboardInterrupt):
        search(folder / "a.db", Interrupting(trials), **changes)
    return autofi.open_study("mine", storage=str(folder / "a.db"))


def folders(study: autofi.Study) -> list[str]:
    return sorted(path.name for path in (study._handle.artifacts / FOLDER).iterdir())


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[autofi.Study, Exporting]]:
    user = Exporting(tmp_path_factory.mktemp("running") / "a.db")
    with pytest.raises(KeyboardInterrupt):
        search(user.storage, user)
    study = autofi.open_study("mine", storage=str(user.storage))
    yield study, user
    study.close()


def test_after_every_trial_the_best_one_so_far_is_exported(exported: tuple[autofi.Study, Exporting]) -> None:
    _, user = exported
    assert [len(trials) for trials, *_ in user.found] == [1, 2, 3, 4]
    frame = table()
    rows = frame[frame["part"] == "valid"].drop(columns=["click", "part"])
    for trials, bundle, summary, predictions in user.found:
        aucs = [(trial.valid or {})["auc"] for trial in trials]
        best = trials[aucs.index(max(aucs))]
        told = {"trial": best.number, "trials": len(trials), "by": "validation AUC", "running": True}
        assert summary["best_so_far"] == told
        written = json.loads((bundle / "metrics.json").read_text())
        assert written["origin"]["best_so_far"] == told
        assert set(written["metrics"]) == {"valid"}
        assert written["metrics"]["valid"]["logloss"] == pytest.approx((best.valid or {})["logloss"])
        found = autofi.load(bundle, runtime="torch").predict_proba(rows)
        np.testing.assert_allclose(found, predictions[best.number]["valid"], rtol=0, atol=1e-6)
    # At least one trial was replaced by a better one, or this says little.
    assert len({summary["best_so_far"]["trial"] for _, _, summary, _ in user.found}) > 1


def test_the_model_card_says_that_it_is_not_the_winner(exported: tuple[autofi.Study, Exporting]) -> None:
    card = (exported[1].found[0][1] / "MODEL_CARD.md").read_text()
    assert (
        "the best model so far of a search that was running: trial 0, the first of 1 trial by valid" in card
    )
    assert "no test row was read" in card
    assert "measured once on" not in card


def test_the_winner_takes_its_place(exported: tuple[autofi.Study, Exporting], tmp_path: Path) -> None:
    study, _ = exported
    assert study.summary()["best_so_far"] is not None
    study.retrain()
    assert study.summary()["best_so_far"] is None
    assert not (study._handle.artifacts / FOLDER).exists()
    written = json.loads((study.export(tmp_path / "model", forms=["torch"]) / "metrics.json").read_text())
    assert "best_so_far" not in written["origin"]
    assert "test" in written["metrics"]


def test_an_interrupted_search_is_exported_and_tells_how(tmp_path: Path) -> None:
    study = interrupted(tmp_path)
    summary = study.summary()
    best = summary["best_so_far"]
    assert (best["trials"], best["running"]) == (2, False)
    assert folders(study) == [trial_key(best["trial"])]
    said = f"Trial {best['trial']}, the best so far by validation AUC, can be exported now: autofi export mine -o "
    shown = CliRunner().invoke(
        app, ["show", "mine", "--storage", str(tmp_path / "a.db")], env={"COLUMNS": "999"}
    )
    assert f"{said}mine-model --storage" in shown.output
    assert f"{said}model --storage" in page_html(study.findings())
    target = str(tmp_path / "model")
    options = ["--storage", str(tmp_path / "a.db"), "--format", "torch"]
    done = CliRunner().invoke(app, ["export", "mine", "-o", target, *options])
    assert done.exit_code == 0, done.output
    assert f"the best model so far of an interrupted search: trial {best['trial']}," in " ".join(
        done.output.split()
    )
    assert (study._handle.exports()[-1].path) == Path(target)
    with pytest.raises(ExportError, match="a calibration is fitted for a winner"):
        study.export(target, calibrate="platt")
    study.close()


def test_a_worse_trial_that_is_written_late_does_not_replace_a_better_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = interrupted(tmp_path, 1)
    handle, (first,) = study._handle, complete_trials(study._handle)
    bench = study._open_bench(study._settings, SilentProgress())
    measured = bench.train(Architecture.from_json(first.architecture), seed=first.seed)
    shutil.rmtree(handle.artifacts / FOLDER)
    better: list[int] = []

    def written_meanwhile(folder: Path, **given: Any) -> None:
        better.append(start(handle, architecture_id="better"))
        handle.finish_trial(better[0], (0.99,), attrs={"valid": {"auc": 0.99, "logloss": 0.1}})
        write_bundle(folder.with_name(trial_key(better[0])), **given)
        write_bundle(folder, **given)

    monkeypatch.setattr("autofi.records.best_so_far.write_bundle", written_meanwhile)
    keep_best_so_far(handle, bench, first.number, measured, SilentProgress())
    assert folders(study) == [trial_key(better[0])]
    # Now it is worse from the start.
    keep_best_so_far(handle, bench, first.number, measured, SilentProgress())
    assert len(better) == 1 and folders(study) == [trial_key(better[0])]
    study.close()


def test_a_bundle_that_is_replaced_while_it_is_exported_gives_way_to_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = interrupted(tmp_path)
    best = study.summary()["best_so_far"]["trial"]
    kept = study._handle.artifacts / FOLDER
    sources = []

    def replaced_meanwhile(source: Path, target: Path, **given: Any) -> None:
        sources.append(source.name)
        if len(sources) == 1:
            source.rename(kept / trial_key(1 - best))
        export_bundle(source, target, **given)

    monkeypatch.setattr("autofi.study.export_best_so_far.export_bundle", replaced_meanwhile)
    study.export(tmp_path / "model", forms=["torch"])
    assert sources == [trial_key(best), trial_key(1 - best)]
    assert load_bundle(tmp_path / "model").origin["best_so_far"]["trial"] == 1 - best
    study.close()


def test_boosted_trees_beside_a_network_are_exported(tmp_path: Path) -> None:
    study = interrupted(tmp_path, 1, space="boosted_several")
    handle, (trial,) = study._handle, complete_trials(study._handle)
    bundle = load_bundle(study.export(tmp_path / "model", forms=["torch"]))
    path = kept_network(handle, trial.architecture_id, trial.seed)
    kept = None if path is None else read_weights(path)
    assert kept is not None
    weights = bundle.network.state_dict()
    assert weights.keys() == kept.weights.keys()
    assert all(torch.equal(value, kept.weights[name]) for name, value in weights.items())
    study.close()


def test_a_trial_beyond_the_limits_is_not_exported(tmp_path: Path) -> None:
    study = interrupted(tmp_path, 1, limits=("parameters<=1",))
    assert study.summary()["best_so_far"] is None
    with pytest.raises(ExportError, match="'mine' has no model to export"):
        study.export(tmp_path / "model")
    study.close()
