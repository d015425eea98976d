"""A search in which boosted trees need no network: they are one model, trained once, and delivered without tables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.torch import load_file
from typer.testing import CliRunner

import autofi
from autofi.bundle.bundle import load_bundle
from autofi.bundle.files import WEIGHTS
from autofi.cli.app import app
from autofi.export.export import TOLERANCE
from autofi.metrics.ranking import auc
from autofi.records.best_trial import complete_trials, decide, finals
from autofi.records.predictions import load_predictions, trial_key
from autofi.records.trees_alone import same_model, trees_alone
from autofi.space.architecture import Architecture
from autofi.store import ModelRole

SPACE = Path(__file__).parent / "spaces" / "boosted_several.yaml"
ROWS = 6000
TRIALS = 3


@pytest.fixture(scope="module")
def clicks() -> pd.DataFrame:
    """Clicks where two numbers lie on the same side of a half, which no sum over values can tell."""
    generator = np.random.default_rng(0)
    left, right = generator.random((2, ROWS)).round(4)
    logit = np.where((left > 0.5) == (right > 0.5), 1.5, -1.5)
    return pd.DataFrame(
        {
            "left": left,
            "right": right,
            "site": generator.integers(0, 30, ROWS).astype(str),
            "click": (generator.random(ROWS) < 1 / (1 + np.exp(-logit))).astype(int),
        }
    )


@pytest.fixture(scope="module")
def study(clicks: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Iterator[autofi.Study]:
    found = autofi.search(
        clicks,
        space=SPACE,
        storage=str(tmp_path_factory.mktemp("alone") / "a.db"),
        study="mine",
        trials=TRIALS,
        seeds=2,
        baselines=(),
        device="cpu",
    )
    yield found
    found.close()


def test_all_trials_are_one_model(study: autofi.Study) -> None:
    trials = complete_trials(study._handle)
    assert len({trial.architecture_id for trial in trials}) == TRIALS
    assert len({trees_alone(trial) for trial in trials} - {None}) == 1
    assert same_model(trials) == {1: 0, 2: 0}
    first, *others = (load_predictions(study._handle, trial_key(trial.number))["valid"] for trial in trials)
    for other in others:
        np.testing.assert_array_equal(other, first)
    for trial in trials:
        assert trial.attrs["describe"] == "boosted trees alone"
        assert trial.attrs["table_rows"] == 0
        assert trial.attrs["own_auc"] < trial.valid["auc"] - 0.2
        # The bias of a head is all that is left of a network.
        assert (trial.parameters, trial.table_bytes) == (1, trials[0].table_bytes)


def test_it_is_one_finalist_and_trained_once(study: autofi.Study) -> None:
    assert [trial.number for trial in finals(study._handle).trials] == [0]
    assert decide(study._handle).winner == 0
    assert study._handle.models(ModelRole.FINALIST) == ()
    (winner,) = study._handle.models(ModelRole.WINNER)
    trial = study._handle.trial(0)
    assert winner.architecture_id == trial.architecture_id
    assert winner.metrics["valid"]["auc"] == pytest.approx(trial.valid["auc"])
    assert winner.metrics["test"]["auc"] == pytest.approx(trial.valid["auc"], abs=0.05)


def test_a_refit_grows_trees_on_validation_rows_and_trains_no_network(study: autofi.Study) -> None:
    bench = study._bench
    assert bench is not None
    architecture = Architecture.from_json(study._handle.trial(0).architecture)
    with_network = bench.retrain(architecture, seed=0, refit=True)
    alone = bench.retrain(architecture.without_network(), seed=5, refit=True)
    assert (with_network.report.steps, alone.report.steps) == (0, 0)
    for part in ("valid", "test"):
        np.testing.assert_array_equal(with_network.predictions[part], alone.predictions[part])
    labels = np.asarray(bench.dataset.rows("test").labels)
    once = bench.retrain(architecture, seed=0, refit=False)
    assert not np.array_equal(once.predictions["test"], alone.predictions["test"])
    assert auc(labels, alone.predictions["test"]) == pytest.approx(
        auc(labels, once.predictions["test"]), abs=0.02
    )


def test_all_forms_of_the_bundle_score_by_trees_alone(
    study: autofi.Study, clicks: pd.DataFrame, tmp_path: Path
) -> None:
    exported = study.export(tmp_path / "model")
    weights = load_file(exported / WEIGHTS)
    assert {name: tensor.numel() for name, tensor in weights.items()} == {
        "boosted_weights": 3,
        "readout.bias": 1,
    }
    bundle = load_bundle(exported)
    assert bundle.architecture.trees_alone
    assert bundle.builder.crosses.pairs == ()
    own, _, intercept = weights["boosted_weights"].tolist()
    assert own == 0
    assert intercept != 0
    assert bundle.builder.boosted is not None
    rows = clicks.drop(columns="click").head(200)
    found = {
        runtime: autofi.load(exported, runtime=runtime, trust=True) for runtime in ("torch", "onnx", "pt2")
    }
    expected = found["torch"].predict_proba(rows)
    assert np.std(expected) > 0.1
    for predictor in found.values():
        np.testing.assert_allclose(predictor.predict_proba(rows), expected, atol=TOLERANCE)
    for explanation in autofi.explain(exported, rows, rows=20):
        assert explanation.trees is not None
        assert explanation.baseline == pytest.approx(intercept, abs=1e-5)
        assert explanation.logit == pytest.approx(explanation.baseline + explanation.trees, abs=1e-5)
        assert explanation.rest == pytest.approx(0.0, abs=1e-5)
        probability = 1 / (1 + np.exp(-explanation.logit))
        assert explanation.probability == pytest.approx(probability, abs=1e-6)
        shares = [(part.name, part.trees or 0.0) for part in (*explanation.fields, *explanation.pairs)]
        assert [explanation.shown(part) for part in explanation.parts()] == sorted(
            (share for _, share in shares), key=lambda share: -abs(share)
        )
        others = sum(summand for _, summand in explanation.other_summands())
        total = explanation.baseline + sum(share for _, share in shares) + others
        assert total == pytest.approx(explanation.logit, abs=1e-5)
    assert "boosted trees alone" in (exported / "MODEL_CARD.md").read_text()
    # The table shows the shares, and the largest first.
    rows.head(1).to_csv(tmp_path / "row.csv", index=False)
    shown = CliRunner().invoke(app, ["explain", str(exported), str(tmp_path / "row.csv"), "--quiet"])
    first = autofi.explain(exported, rows, rows=1)[0]
    assert first.parts()[0].trees
    for part in first.parts():
        assert any(
            part.name in line and f"{part.trees or 0.0:+.3f}" in line for line in shown.stdout.splitlines()
        )


def test_every_page_says_it(study: autofi.Study, tmp_path: Path) -> None:
    summary = study.summary()
    assert (summary["boosted_share"], summary["fields"], summary["streams"]) == (1.0, [], [])
    assert set(study.leaderboard()["architecture"]) == {"boosted trees alone"}
    page = study.report(tmp_path / "page.html").read_text()
    assert "It is boosted trees alone, as the network adds nothing to them." in page
    assert "boosted trees alone" in study.report(tmp_path / "folder", "md").joinpath("report.md").read_text()
    study.figures.network()
