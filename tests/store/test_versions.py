"""A study that an earlier AutoFI made is listed, shown, resumed, reported and exported by this one."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import autofi
from autofi.bundle.load import Runtime
from autofi.cli.app import app
from autofi.records.predictions import load_predictions, winner_key
from autofi.space.architecture import Architecture
from autofi.space.load import load_space
from autofi.space.search_space import SearchSpace
from autofi.store import StudyHandle, TrialState
from autofi.store.records import LEADERS
from tests.store.make_version_asset import (
    ARCHITECTURES,
    PROBABILITIES,
    SPACE,
    SPACES,
    STORAGE,
    STUDY,
    SUMMARY,
    TEST_TABLE,
    TRIALS,
    VERSIONS,
    open_workbench,
    opened,
    search,
    summary_of,
    working_in,
)

ASSETS = sorted(path for path in VERSIONS.iterdir() if path.is_dir())


@pytest.fixture(params=ASSETS, ids=lambda asset: asset.name)
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A copy of such a study in the working folder, as a user has one."""
    folder = Path(shutil.copytree(request.param, tmp_path / "kept"))
    with working_in(folder):
        yield folder


def run(*words: str) -> str:
    done = CliRunner().invoke(app, [*words, "--storage", STORAGE])
    assert done.exit_code == 0, done.output
    return done.stdout


def read(name: str) -> Any:
    return json.loads(Path(name).read_text())


def measured(study: StudyHandle) -> list[tuple[Any, ...]]:
    return [
        (trial.number, trial.architecture_id, trial.values, trial.params, trial.valid, trial.seconds)
        for trial in study.trials()
        if trial.state is TrialState.COMPLETE
    ]


def check_compared(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """The interval is computed anew, with more digits of the normal quantile than earlier versions had.

    They did not compare the logloss.
    """
    assert found["interval"] == pytest.approx(expected["interval"], abs=1e-8)
    assert found["logloss"]["verdict"] == "tie"
    assert {key: found[key] for key in expected} | {"interval": None} == expected | {"interval": None}


def check_shown(found: dict[str, Any]) -> None:
    """A later version may tell more, and give reasons in other words."""
    expected = read(SUMMARY)
    reasons = expected.pop("reasons")
    assert {key: found[key] for key in expected} == expected | {"comparison": found["comparison"]}
    check_compared(found["comparison"], expected["comparison"])
    assert len(found["reasons"]) == len(reasons)
    # There would be nothing to compare without them.
    assert expected["winner"] and expected["baselines"] and reasons and expected["explored"]["scored"]


def test_it_is_listed(kept: Path) -> None:
    (study,) = json.loads(run("studies", "--json"))["studies"]
    best = max(
        trial["valid_auc"] for trial in autofi.open_study(STUDY, STORAGE).leaderboard().to_dict("records")
    )
    assert (study["name"], study["trials"], study["best_valid_auc"]) == (STUDY, TRIALS, best)


def test_it_is_shown_as_it_was(kept: Path) -> None:
    check_shown(json.loads(run("show", STUDY, "--json")))
    study = autofi.open_study(STUDY, STORAGE)
    check_shown(summary_of(study))
    study.close()


def test_once_shown_it_is_shown_and_listed_without_what_only_a_search_needs(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command that prints what is known may not wait for torch, and may not read every prediction again."""
    monkeypatch.setenv("COLUMNS", "120")
    heavy = ["torch", "optuna", "alembic", "sqlalchemy.orm", "pandas", "numpy", "scipy", "pyarrow", "plotly"]
    commands = (["show", STUDY], ["show", STUDY, "--json"], ["studies"], ["studies", "--json"])
    # As computed, and then kept.
    expected = [run(*command) for command in commands]
    assert [run(*command) for command in commands] == expected
    code = (
        "import json, sys; from typer.testing import CliRunner; from autofi.cli.app import app; "
        "run = lambda words: CliRunner().invoke(app, words).stdout; commands, heavy = json.loads(sys.argv[1]); "
        "print(json.dumps([[run(words) for words in commands], [name for name in heavy if name in sys.modules]]))"
    )
    words = json.dumps([[[*command, "--storage", STORAGE] for command in commands], heavy])
    ran = subprocess.run([sys.executable, "-c", code, words], capture_output=True, text=True, check=True)
    assert json.loads(ran.stdout) == [expected, []]
    with opened() as study:
        found = study.kept_summary()
    assert found is not None
    assert (len(found.leaders), found.trials) == (min(TRIALS, LEADERS), TRIALS)


def test_its_architectures_have_their_ids(kept: Path) -> None:
    with opened() as study:
        trials = study.trials()
    assert len(trials) == TRIALS
    for trial in trials:
        assert Architecture.from_json(trial.architecture).id == trial.architecture_id
        assert Architecture.from_json(trial.architecture).to_json() == trial.architecture


def test_architectures_of_every_space_of_then_are_read(kept: Path) -> None:
    architectures = read(ARCHITECTURES)
    assert len(architectures) > 30
    for known, document in architectures.items():
        assert Architecture.from_json(document).id == known
        assert Architecture.from_json(document).to_json() == document


def test_every_space_of_then_is_read(kept: Path) -> None:
    spaces = read(SPACES)
    assert len(spaces) > 30
    for fingerprint, document in spaces.items():
        assert SearchSpace.model_validate(document).fingerprint == fingerprint


def test_its_space_has_its_fingerprint(kept: Path) -> None:
    space = load_space(SPACE)
    with opened() as study:
        record = study.record
    assert space.fingerprint == record.space_fingerprint
    assert json.loads(space.text()) == json.loads(record.space_json)
    assert SearchSpace.model_validate(json.loads(record.space_json)).fingerprint == space.fingerprint


def test_its_data_has_its_fingerprint(kept: Path) -> None:
    with opened() as study:
        assert open_workbench().dataset.fingerprint == study.record.data_fingerprint


@pytest.mark.slow
def test_it_is_resumed(kept: Path) -> None:
    with opened() as study:
        before = measured(study)
    search(trials=TRIALS + 1).close()
    with opened() as study:
        after = measured(study)
    assert after[:TRIALS] == before
    assert len({architecture_id for _, architecture_id, *_ in after}) == TRIALS + 1
    shown = json.loads(run("show", STUDY, "--json"))
    assert shown["stopped"] == f"the {TRIALS + 1} trials asked for are done"


def test_it_is_reported(kept: Path) -> None:
    run("report", STUDY, "--output", "report.json", "--quiet")
    run("report", STUDY, "--output", "report.html", "--quiet")
    run("report", STUDY, "--output", "report", "--format", "md", "--quiet")
    expected, found = read(SUMMARY), read("report.json")
    for key in ("winner", "baselines", "pairs", "fields", "streams", "choice"):
        assert found[key] == expected[key]
    check_compared(found["comparison"], expected["comparison"])
    shown = f"{expected['winner']['test']['auc']:.4f}"
    assert shown in Path("report.html").read_text()
    assert shown in Path("report/report.md").read_text()


@pytest.mark.slow
def test_what_it_exports_scores_as_it_did(kept: Path) -> None:
    run("export", STUDY, "--output", "model", "--format", "onnx,torch", "--quiet")
    runtimes: tuple[Runtime, ...] = ("onnx", "torch")
    for runtime in runtimes:
        found = autofi.load("model", runtime=runtime).predict_proba(TEST_TABLE)
        np.testing.assert_allclose(found, read(PROBABILITIES), rtol=0, atol=1e-6)
    with opened() as study:
        won = study.stage("winner")
        assert won is not None
        stored = load_predictions(study, winner_key(won["architecture_id"], 0, refit=False))["test"]
    np.testing.assert_allclose(stored, read(PROBABILITIES), rtol=0, atol=1e-6)


@pytest.mark.slow
def test_a_trial_of_it_is_retrained_and_exported(kept: Path) -> None:
    with opened() as study:
        won = study.stage("winner")
        assert won is not None
        other = next(trial.number for trial in study.trials() if trial.number != won["trial"])
    run("export", STUDY, "--trial", str(other), "--output", "model", "--format", "torch", "--quiet")
    assert autofi.load("model").predict_proba(TEST_TABLE).shape == np.shape(read(PROBABILITIES))
