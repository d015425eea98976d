"""A search, a retraining or an export that is killed loses nothing it had finished and repeats nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import autofi
from autofi.bundle.bundle import load_bundle
from autofi.errors import ExportError
from autofi.store import (
    ModelRecord,
    ModelRole,
    StudyHandle,
    StudyStore,
    TrialRecord,
    TrialState,
    resolve_storage,
)

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")]

HERE = Path(__file__).parent
SPACE = str(HERE / "spaces" / "several.yaml")
TRIALS, SEEDS = 3, 3
PATIENCE = 240.0


def write_clicks(folder: Path) -> Path:
    generator = np.random.default_rng(0)
    rows = 4000
    codes = {
        name: generator.integers(0, count, rows) for name, count in (("user", 30), ("item", 20), ("hour", 24))
    }
    logits = (codes["user"] % 3) - (codes["item"] % 2) - 0.5
    clicked = generator.random(rows) < 1.0 / (1.0 + np.exp(-logits))
    path = folder / "clicks.csv"
    pd.DataFrame(codes | {"click": clicked.astype(int)}).to_csv(path, index=False)
    return path


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "autofi", *arguments]


def search_command(folder: Path) -> list[str]:
    return command(
        *("search", str(folder / "clicks.csv"), "--space", SPACE, "--study", "s"),
        *("--storage", str(folder / "a.db"), "--trials", str(TRIALS), "--seeds", str(SEEDS)),
        *("--baselines", "lr", "--device", "cpu", "--quiet"),
    )


def search(folder: Path, *, seeds: int = SEEDS) -> autofi.Study:
    return autofi.search(
        str(folder / "clicks.csv"),
        space=SPACE,
        study="s",
        storage=str(folder / "a.db"),
        trials=TRIALS,
        seeds=seeds,
        baselines=("lr",),
        device="cpu",
    )


@contextmanager
def opened(folder: Path):  # type: ignore[no-untyped-def]
    with StudyStore(resolve_storage(str(folder / "a.db"))) as store:
        yield store.open("s")


def kill_when(arguments: Sequence[str], folder: Path, due: Callable[[StudyHandle], bool]) -> None:
    """Run a command and kill it as soon as its study is `due`."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE.parent)}
    process = subprocess.Popen(arguments, cwd=folder, env=environment)
    try:
        end = time.monotonic() + PATIENCE
        while not (folder / "a.db").exists() or not _names(folder):
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.02)
        with opened(folder) as study:
            while not due(study):
                assert process.poll() is None, "it ended before it could be killed"
                assert time.monotonic() < end
                time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    finally:
        process.kill()
        assert process.wait() == -signal.SIGKILL


def _names(folder: Path) -> list[str]:
    with StudyStore(resolve_storage(str(folder / "a.db"))) as store:
        return [study.name for study in store.list()]


def complete(study: StudyHandle) -> list[TrialRecord]:
    return [trial for trial in study.trials() if trial.state is TrialState.COMPLETE]


def winners(study: StudyHandle) -> list[ModelRecord]:
    return list(study.models(ModelRole.WINNER))


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same search, never killed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    write_clicks(folder)
    search(folder).close()
    return folder


def check_same_as_undisturbed(folder: Path, undisturbed: Path) -> None:
    """Everything was measured once, and came out as without the kill."""
    with opened(folder) as study, opened(undisturbed) as expected:
        measured, wanted = complete(study), complete(expected)
        assert [t.architecture_id for t in measured] == [t.architecture_id for t in wanted]
        assert len({t.architecture_id for t in measured}) == TRIALS
        assert [t.value for t in measured] == pytest.approx([t.value for t in wanted], abs=1e-9)
        assert [m.seed for m in winners(study)] == list(range(SEEDS))
        for mine, theirs in zip(winners(study), winners(expected), strict=True):
            assert mine.architecture_id == theirs.architecture_id
            assert mine.metrics["test"]["auc"] == pytest.approx(theirs.metrics["test"]["auc"], abs=1e-9)
            assert mine.path is not None
            autofi.load(mine.path)
        (mine,), (theirs,) = (found.models(ModelRole.ENSEMBLE) for found in (study, expected))
        assert mine.metrics["test"]["auc"] == pytest.approx(theirs.metrics["test"]["auc"], abs=1e-9)
        # Of killed writings nothing is left beside the whole bundles.
        assert {path.name for path in (study.artifacts / "models").iterdir()} == {
            model.path.name for model in (*winners(study), mine) if model.path is not None
        }
        assert [m.seed for m in study.models(ModelRole.BASELINE)] == list(range(SEEDS))


def test_killed_while_searching(tmp_path: Path, undisturbed: Path) -> None:
    write_clicks(tmp_path)

    def second_trial_runs(study: StudyHandle) -> bool:
        states = [trial.state for trial in study.trials()]
        return states == [TrialState.COMPLETE, TrialState.RUNNING]

    kill_when(search_command(tmp_path), tmp_path, second_trial_runs)
    with opened(tmp_path) as study:
        (kept,) = complete(study)
        assert len(study.trials()) == 2
    # Its model can be exported without the search, and without the data.
    (tmp_path / "clicks.csv").rename(tmp_path / "away.csv")
    killed = autofi.open_study("s", storage=str(tmp_path / "a.db"))
    exported = load_bundle(killed.export(tmp_path / "early", forms=["torch"]))
    killed.close()
    assert exported.architecture.id == kept.architecture_id
    assert exported.origin["best_so_far"] | {"trial": 0, "running": False} == exported.origin["best_so_far"]
    (tmp_path / "away.csv").rename(tmp_path / "clicks.csv")
    search(tmp_path).close()
    with opened(tmp_path) as study:
        trials = study.trials()
        assert [trial.state for trial in trials] == [
            TrialState.COMPLETE,
            TrialState.FAIL,
            TrialState.COMPLETE,
            TrialState.COMPLETE,
        ]
        assert trials[0] == kept
        assert "the process that ran this trial ended" in (trials[1].error or "")
        # What was under way is measured after all, under a number of its own.
        assert trials[2].architecture_id == trials[1].architecture_id
    check_same_as_undisturbed(tmp_path, undisturbed)


def test_killed_while_retraining(tmp_path: Path, undisturbed: Path) -> None:
    write_clicks(tmp_path)
    kill_when(search_command(tmp_path), tmp_path, lambda study: len(winners(study)) == 1)
    with opened(tmp_path) as study:
        trials, (first,) = study.trials(), winners(study)
        assert first.path is not None
        files = contents(first.path)
    search(tmp_path).close()
    with opened(tmp_path) as study:
        assert study.trials() == trials
        assert winners(study)[0] == first
        assert contents(first.path) == files
    check_same_as_undisturbed(tmp_path, undisturbed)


def test_killed_in_the_retrain_command(tmp_path: Path) -> None:
    write_clicks(tmp_path)
    search(tmp_path, seeds=1).close()
    retrain = command("retrain", "s", "--seeds", str(SEEDS), "--storage", str(tmp_path / "a.db"), "--quiet")
    kill_when(retrain, tmp_path, lambda study: len(winners(study)) == 2)
    with opened(tmp_path) as study:
        trials, kept = study.trials(), winners(study)
    resumed = autofi.open_study("s", storage=str(tmp_path / "a.db"))
    resumed.retrain(seeds=SEEDS).close()
    with opened(tmp_path) as study:
        assert study.trials() == trials
        assert winners(study)[:2] == kept
        assert [model.seed for model in winners(study)] == list(range(SEEDS))


def test_killed_while_exporting(undisturbed: Path, tmp_path: Path) -> None:
    """Wherever among its operations on files an export is killed: the bundle is whole or it is not there."""
    subprocess.run(
        [
            sys.executable,
            str(HERE / "kill_while_exporting.py"),
            str(undisturbed / "a.db"),
            "s",
            str(tmp_path),
        ],
        cwd=HERE.parent,
        check=True,
    )
    places = sorted(tmp_path.iterdir(), key=lambda place: int(place.name))
    assert len(places) > 10
    table = pd.read_csv(undisturbed / "clicks.csv").head(50)
    study = autofi.open_study("s", storage=str(undisturbed / "a.db"))
    expected = None
    whole = 0
    for place in reversed(places):
        try:
            scores = autofi.load(place / "model").predict_proba(table)
        except ExportError:
            # Again, and it is there, with nothing of the killed one beside it.
            study.export(place / "model", forms=("torch",))
            scores = autofi.load(place / "model").predict_proba(table)
        else:
            whole += 1
        expected = scores if expected is None else expected
        np.testing.assert_array_equal(scores, expected)
        assert [path.name for path in place.iterdir()] == ["model"]
    study.close()
    # The one that was never killed, and those killed after the bundle had taken its place.
    assert 1 <= whole < len(places)
