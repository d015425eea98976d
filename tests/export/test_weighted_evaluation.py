"""`evaluate` weighs rows as the study did."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss, roc_auc_score
from typer.testing import CliRunner

import autofi
from autofi import SchemaOverrides
from autofi.bundle.predictor import Predictor
from autofi.cli.app import app
from autofi.errors import DataError

SPACE = Path(__file__).parents[1] / "spaces" / "tiny.yaml"


def rows(count: int, seed: int) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    city = generator.choice(["Rome", "Oslo", "Bern"], count)
    weight = np.where(city == "Rome", 0.2, 3.0) * generator.random(count)
    click = generator.random(count) < np.where(city == "Rome", 0.7, 0.3)
    return pd.DataFrame(
        {"city": city, "hour": generator.integers(0, 24, count), "w": weight, "click": click.astype(int)}
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weighted")
    for name, count, seed in (("train", 600, 0), ("valid", 300, 1), ("test", 400, 2)):
        rows(count, seed).to_csv(folder / f"{name}.csv", index=False)
    study = autofi.search(
        folder / "train.csv",
        target="click",
        valid=folder / "valid.csv",
        test=folder / "test.csv",
        overrides=SchemaOverrides(weight="w"),
        space=SPACE,
        trials=1,
        seeds=1,
        baselines=[],
        study="weighted",
        storage=f"sqlite:///{folder / 's.db'}",
        device="cpu",
    )
    study.export(folder / "model", forms=("torch",))
    measured = study.summary()["winner"]["test"]
    (folder / "auc").write_text(repr([measured["auc"], measured["logloss"]]))
    return folder


@pytest.fixture(scope="module")
def predictor(folder: Path) -> Predictor:
    return autofi.load(folder / "model")


def test_its_figures_are_those_of_the_study(folder: Path, predictor: Predictor) -> None:
    found = predictor.evaluate(folder / "test.csv")
    test = pd.read_csv(folder / "test.csv")
    scores = predictor.predict_proba(test)
    assert found["weights"] == "w"
    assert found["auc"] == pytest.approx(
        roc_auc_score(test["click"], scores, sample_weight=test["w"]), abs=1e-6
    )
    assert found["logloss"] == pytest.approx(
        log_loss(test["click"], scores, sample_weight=test["w"]), abs=1e-6
    )
    assert [found["auc"], found["logloss"]] == pytest.approx(eval((folder / "auc").read_text()), abs=1e-5)


def test_unweighted_counts_every_row_once(folder: Path, predictor: Predictor) -> None:
    test = pd.read_csv(folder / "test.csv")
    found = predictor.evaluate(test.drop(columns="w"), unweighted=True)
    assert found["auc"] == pytest.approx(
        roc_auc_score(test["click"], predictor.predict_proba(test)), abs=1e-12
    )
    assert "weights" not in found
    assert found["auc"] != pytest.approx(predictor.evaluate(test)["auc"], abs=1e-3)


def test_weights_that_cannot_be_used_are_refused_with_the_way_out(folder: Path, predictor: Predictor) -> None:
    test = pd.read_csv(folder / "test.csv")
    for wrong, told in (
        (test.drop(columns="w"), "has no column 'w', the weights of the study.*--unweighted"),
        (test.assign(w=-1.0), "Row 1 .* has -1.0 in column 'w', which is not a finite weight of at least 0"),
        (test.assign(w=0.0), "'w' of .* are 0 in all .* rows with a click.*--unweighted"),
    ):
        with pytest.raises(DataError, match=told):
            predictor.evaluate(wrong)


def test_the_command_line_has_it(folder: Path) -> None:
    test = pd.read_csv(folder / "test.csv")
    test.drop(columns="w").to_csv(folder / "bare.csv", index=False)
    asked = ["evaluate", str(folder / "model"), str(folder / "bare.csv"), "-q"]
    refused = CliRunner().invoke(app, asked)
    assert refused.exit_code == 2 and "--unweighted" in refused.stderr
    assert CliRunner().invoke(app, [*asked, "--unweighted"]).exit_code == 0
    weighed = CliRunner().invoke(app, ["evaluate", str(folder / "model"), str(folder / "test.csv"), "-q"])
    assert weighed.exit_code == 0 and "weights" in weighed.stdout
