"""An exported model is calibrated on the validation predictions that its study keeps, or refused in one line."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit
from typer.testing import CliRunner

import autofi
from autofi.cli.app import app
from autofi.errors import AutoFIError, ConfigError, ExportError
from autofi.metrics.calibration import ece
from autofi.metrics.calibrators import CALIBRATIONS
from autofi.metrics.ranking import auc, logloss
from autofi.records.predictions import (
    LABELS,
    WEIGHTS,
    load_predictions,
    predictions_file,
    save_predictions,
    winner_key,
)
from autofi.store import ModelRole, StudyHandle
from tests.visits import visits

TINY = Path(__file__).parents[1] / "spaces" / "tiny.yaml"
ROWS = 3000
KINDS = sorted(CALIBRATIONS)


@dataclasses.dataclass(frozen=True)
class Searched:
    """A search of a weighed table that has ended."""

    study: autofi.Study
    frame: pd.DataFrame
    storage: str

    @property
    def handle(self) -> StudyHandle:
        return self.study._handle

    def part(self, name: str) -> pd.DataFrame:
        return self.frame[self.frame["part"] == name]

    def predictions(self) -> dict[str, np.ndarray]:
        (model,) = self.handle.models(ModelRole.WINNER)
        return load_predictions(self.handle, winner_key(model.architecture_id, model.seed, refit=False))


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Searched]:
    """Clicks weigh a third, so that a calibration that counted every row once would be told apart."""
    folder = tmp_path_factory.mktemp("calibrated")
    frame = visits(ROWS).assign(part=np.random.default_rng(1).choice(["train", "valid", "test"], ROWS))
    frame["weight"] = np.where(frame["click"] == 1, 0.5, 1.5) * frame["weight"].clip(0.2)
    storage = str(folder / "a.db")
    study = autofi.search(
        frame,
        target="click",
        space=TINY,
        study="mine",
        storage=storage,
        trials=1,
        seeds=1,
        baselines=("lr",),
        device="cpu",
        overrides=autofi.SchemaOverrides(weight="weight", group="visit", split_column="part"),
    )
    yield Searched(study, frame, storage)
    study.close()


@pytest.fixture(scope="module")
def plain(searched: Searched, tmp_path_factory: pytest.TempPathFactory) -> autofi.Predictor:
    """The export that is not calibrated."""
    return autofi.load(searched.study.export(tmp_path_factory.mktemp("plain") / "model"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_calibrated_export_applies_what_fits_the_validation_rows(
    searched: Searched, plain: autofi.Predictor, tmp_path: Path, kind: str
) -> None:
    calibrated = autofi.load(searched.study.export(tmp_path / "model", calibrate=kind))
    valid, test = searched.part("valid"), searched.part("test")
    kept = searched.predictions()
    fitted = CALIBRATIONS[kind].fit(valid["click"], logit(kept["valid"]), valid["weight"])
    expected = fitted.apply(logit(plain.predict_proba(test)))
    found = calibrated.predict_proba(test)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    assert fitted != CALIBRATIONS[kind].fit(valid["click"], logit(kept["valid"]))

    told: Any = calibrated.metrics["calibration"]
    assert list(told) == ["method", "valid", "test"]
    assert told["method"] == kind
    for part, rows in (("valid", valid), ("test", test)):
        scores = kept[part]
        for when, values in (("before", scores), ("after", fitted.apply(logit(scores)))):
            slow = {
                name: measure(rows["click"], values, rows["weight"])
                for name, measure in (("auc", auc), ("logloss", logloss), ("ece", ece))
            }
            assert told[part][when] == pytest.approx(slow, abs=1e-9)
        before: Any = plain.metrics[part]
        assert {name: before[name] for name in ("auc", "logloss", "ece")} == pytest.approx(
            told[part]["before"], abs=1e-9
        )
    assert told["valid"]["after"]["logloss"] < told["valid"]["before"]["logloss"]
    if kind == "platt":
        assert told["test"]["after"]["auc"] == pytest.approx(told["test"]["before"]["auc"], abs=1e-12)
    assert {key: value for key, value in calibrated.metrics.items() if key != "calibration"} == plain.metrics


def test_a_bundle_keeps_the_reliability_of_every_part(searched: Searched, plain: autofi.Predictor) -> None:
    metrics: Any = plain.metrics
    assert list(metrics["reliability"]) == ["valid", "test"]
    for part, table in metrics["reliability"].items():
        assert len(table) > 10
        assert sum(line["rows"] for line in table) == len(searched.part(part))
        error = sum(line["share"] * abs(line["rate"] - line["predicted"]) for line in table)
        assert metrics[part]["ece"] == pytest.approx(error, abs=1e-12)
        assert metrics[part]["ece"] == searched.study.summary()["winner"][part]["ece"]


def test_the_command_tells_what_the_calibration_changed(searched: Searched, tmp_path: Path) -> None:
    command = ["export", "mine", "-o", str(tmp_path / "model"), "--storage", searched.storage]
    done = CliRunner(env={"COLUMNS": "200"}).invoke(app, [*command, "--calibrate", "platt"])
    assert done.exit_code == 0, done.output
    told = json.loads((tmp_path / "model" / "metrics.json").read_text())["metrics"]["calibration"]["test"]
    line = (
        f"Calibrated by platt: test logloss {told['before']['logloss']:.4f} → {told['after']['logloss']:.4f}, "
        f"test calibration error {told['before']['ece']:.4f} → {told['after']['ece']:.4f}"
    )
    assert line in done.stderr
    refused = CliRunner().invoke(app, [*command, "--calibrate", "plat"])
    assert refused.exit_code == 2
    assert "No calibration is named 'plat': did you mean 'platt'?" in refused.stderr


def refused(
    searched: Searched, target: Path, kind: type[AutoFIError], told: str, trial: int | None = None
) -> None:
    with pytest.raises(kind, match=told):
        searched.study.export(target, trial, calibrate="platt")
    assert not target.exists()


# These change what the study keeps, and put it back.


@pytest.mark.parametrize(
    ("key", "kept", "told"),
    [
        (LABELS, None, "'mine' keeps no labels of validation rows"),
        (LABELS, {"valid": np.zeros(5), "test": np.ones(5)}, "or labels of one class"),
        (LABELS, {"valid": np.arange(5) % 2}, "keeps no predictions of .* that fit its labels"),
        (
            WEIGHTS,
            None,
            "'mine' was begun by an earlier version and keeps no weights.*run the same search again",
        ),
        ("winner", None, "keeps no predictions of 'winner-"),
        ("winner", {"test": np.full(5, 0.5)}, "keeps no predictions of 'winner-"),
        ("winner", "turned", "Higher predictions do not go with more clicks.*Platt's slope is -"),
    ],
)
def test_what_cannot_be_calibrated_is_refused_and_nothing_is_written(
    searched: Searched, tmp_path: Path, key: str, kept: Any, told: str
) -> None:
    if key == "winner":
        (model,) = searched.handle.models(ModelRole.WINNER)
        key = winner_key(model.architecture_id, model.seed, refit=False)
    path = predictions_file(searched.handle, key)
    content, before = path.read_bytes(), load_predictions(searched.handle, key)
    path.unlink()
    try:
        if kept == "turned":
            kept = {part: 1 - scores for part, scores in before.items()}
        if kept is not None:
            save_predictions(searched.handle, key, kept)
        refused(searched, tmp_path / "model", ExportError, told)
    finally:
        path.write_bytes(content)


def test_a_refitted_winner_is_refused_before_anything_is_trained(searched: Searched, tmp_path: Path) -> None:
    handle, record = searched.handle, searched.handle.record
    before = handle.models()
    (model,) = handle.models(ModelRole.WINNER)
    assert model.path is not None
    told = "'mine' refits its winner on the validation rows too.*without --refit"
    try:
        handle.record = dataclasses.replace(record, settings={**record.settings, "refit": True})
        refused(searched, tmp_path / "model", ExportError, told, trial=0)
        assert handle.models() == before
        with handle:
            handle.record_model(
                role=ModelRole.WINNER,
                name="winner",
                seed=0,
                metrics=model.metrics,
                architecture_id=model.architecture_id,
                refit=True,
                path=model.path,
            )
            handle.record_stage(
                "winner", {"architecture_id": model.architecture_id, "trial": 0, "refit": True}
            )
        refused(searched, tmp_path / "model", ExportError, told)
    finally:
        handle.record = record
    with pytest.raises(ConfigError, match="Known: isotonic, platt"):
        searched.study.export(tmp_path / "model", calibrate="beta")
