"""Processes that share the trials of a search, and what becomes of them."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import torch

import autofi
from autofi.api.local_workers import PATIENCE, LocalWorkers
from autofi.core.progress import SilentProgress
from autofi.engine.stopping import StoppingRule
from autofi.errors import ConfigError, DataError, StoreError, StudyNotFoundError
from autofi.store import StudyHandle, StudyStore, TrialRecord, TrialState, resolve_storage
from autofi.store.stage_keys import STAGE
from tests.store.examples import CREATED, start

ROOT = Path(autofi.__file__).parents[1]
SPACE = ROOT / "tests" / "spaces" / "several.yaml"
TABLE = "planted:rows=3000"


def search(storage: Path, *, trials: int) -> Path:
    autofi.search(
        TABLE, space=SPACE, study="s", storage=str(storage), trials=trials, seeds=1, baselines=()
    ).close()
    return storage


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> list[TrialRecord]:
    """The four trials of a search that one process did alone."""
    return complete(search(tmp_path_factory.mktemp("alone") / "s.db", trials=4))


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return search(tmp_path_factory.mktemp("begun") / "s.db", trials=1)


@pytest.fixture
def storage(begun: Path, tmp_path: Path) -> Path:
    """A study of one trial, in a database of the test's own."""
    return Path(shutil.copy(begun, tmp_path / "s.db"))


def values(trials: list[TrialRecord]) -> dict[str, float | None]:
    """AUC by architecture."""
    return {trial.architecture_id: trial.value for trial in trials}


def complete(storage: Path) -> list[TrialRecord]:
    with StudyStore(resolve_storage(str(storage))) as store, store.open("s") as handle:
        return [trial for trial in handle.trials() if trial.state is TrialState.COMPLETE]


def set_goal(storage: Path, trials: int) -> None:
    with StudyStore(resolve_storage(str(storage))) as store, store.open("s") as handle:
        StoppingRule(trials).keep(handle)


def test_what_a_trial_comes_to_does_not_depend_on_who_measures_it(
    storage: Path, alone: list[TrialRecord]
) -> None:
    set_goal(storage, 4)
    first = autofi.work("s", storage=str(storage), trials=1)
    second = autofi.work("s", storage=str(storage))
    assert (first.trials, first.of, second.trials, second.of) == (1, 2, 2, 4)
    assert values(complete(storage)) == values(alone)
    assert autofi.work("s", storage=str(storage)).trials == 0


@pytest.mark.slow
def test_a_search_with_workers_ends_with_all_its_trials_and_leaves_no_process(tmp_path: Path) -> None:
    done = subprocess.run(
        f"{sys.executable} -m autofi search {TABLE} --space {SPACE} --trials 4 --seeds 1 --baselines none "
        "--study s --workers 2 --storage s.db".split(),
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "ended:" not in done.stderr
    trials = complete(tmp_path / "s.db")
    assert len({trial.architecture_id for trial in trials}) == len(trials) == 4
    with StudyStore(resolve_storage(str(tmp_path / "s.db"))) as store, store.open("s") as handle:
        assert handle.pending(STAGE) == 0
        assert not handle.is_led()


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_a_worker_that_is_stopped_loses_no_trial(
    storage: Path, alone: list[TrialRecord], end: signal.Signals
) -> None:
    set_goal(storage, 3)
    worker = subprocess.Popen(
        [sys.executable, "-m", "autofi", "worker", "s", "--storage", str(storage), "--quiet"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )
    with StudyStore(resolve_storage(str(storage))) as store, store.open("s") as handle:
        while not (running := number_running(handle)):
            assert worker.poll() is None, worker.communicate()[1]
            time.sleep(0.005)
        worker.send_signal(end)
        _, said = worker.communicate(timeout=60)
        if end is signal.SIGTERM:
            assert worker.returncode == 130
            assert "finished work is kept" in said
        handle.reap()
        ended = next(trial for trial in handle.trials() if trial.number == running)
    autofi.work("s", storage=str(storage))
    trials = complete(storage)
    assert len({trial.architecture_id for trial in trials}) == len(trials) == 3
    if ended.state is TrialState.FAIL:
        (again,) = (trial for trial in trials if trial.attrs.get("retry_of") == running)
        assert again.architecture_id == ended.architecture_id
    assert values(trials) == values(alone[:3])


def number_running(handle: StudyHandle) -> int | None:
    return next((trial.number for trial in handle.trials() if trial.state is TrialState.RUNNING), None)


class TestRefused:
    def test_workers_need_a_table_they_can_open(self, tmp_path: Path) -> None:
        table = pd.DataFrame({"a": ["x", "y"] * 50, "click": [0, 1] * 50})
        with pytest.raises(ConfigError, match="A table in memory and 2 workers"):
            autofi.search(table, target="click", workers=2, storage=str(tmp_path / "s.db"))

    def test_a_study_that_does_not_exist(self, tmp_path: Path) -> None:
        with pytest.raises(StudyNotFoundError, match="no study 's'"):
            autofi.work("s", storage=str(tmp_path / "s.db"))

    def test_other_data(self, storage: Path) -> None:
        with pytest.raises(DataError, match="was searched on data with"):
            autofi.work("s", storage=str(storage), data="planted:rows=3000,seed=8")

    def test_nothing_to_join(self, storage: Path) -> None:
        with sqlite3.connect(storage) as connection:
            connection.execute("DELETE FROM autofi_stage WHERE key = 'proposal'")
        connection.close()
        with pytest.raises(StoreError, match="No process searches 's'"):
            autofi.work("s", storage=str(storage))


def test_a_worker_that_ends_early_is_told_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told: list[str] = []

    class Notes(autofi.RichProgress):
        def note(self, text: str) -> None:
            told.append(text)

    with Notes() as progress:
        url = resolve_storage(str(tmp_path / "s.db"))
        with LocalWorkers("s", url, 1, device=torch.device("cpu"), progress=progress) as crew:
            while not told:
                crew.check()
                time.sleep(0.01)
    (line,) = told
    assert line.startswith("Worker 1 ended: autofi: error: no study 's'")


def test_nobody_waits_for_a_worker_that_has_not_begun_a_trial(tmp_path: Path) -> None:
    url = resolve_storage(str(tmp_path / "s.db"))
    with StudyStore(url) as store, store.create_or_resume("s", **CREATED) as handle:
        assert handle.joined() == set()
        start(handle)
        assert handle.joined() == {os.getpid()}
        crew = LocalWorkers("s", url, 1, device=torch.device("cpu"), progress=SilentProgress())
        begun = time.monotonic()
        # It would wait for a proposal, as the study is led.
        with crew:
            ((process, _),) = crew._processes.values()
        assert process.returncode == -signal.SIGTERM
        assert time.monotonic() - begun < PATIENCE
