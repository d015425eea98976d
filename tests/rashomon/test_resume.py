"""An exploration that is killed goes on where it stopped, and comes to what an unbroken one comes to."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import autofi
from autofi.core.progress import SilentProgress
from autofi.evaluation.workbench import Workbench
from autofi.rashomon.finished_parts import PREFIX, Parts
from autofi.rashomon.result import RashomonSet
from autofi.store import StudyHandle
from autofi.study.study import Study
from tests.rashomon.test_record import EPS, SETTINGS, found, study

__all__ = ["found", "study"]

#: Parts after which the process is killed, and seconds that mean it hangs.
ENOUGH, HANGS = 12, 300


class Notes(SilentProgress):
    def __init__(self) -> None:
        self.told: list[str] = []

    def note(self, text: str) -> None:
        self.told.append(text)


def parts(database: Path) -> set[str]:
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30) as connection:
        rows = connection.execute("SELECT key FROM autofi_stage WHERE key LIKE 'rashomon/%'").fetchall()
    return {str(key) for (key,) in rows}


def killed_after(storage: Path, fewest: int) -> set[str]:
    """The parts that an exploration has kept when it is killed."""
    command = [sys.executable, "-m", "tests.rashomon.explore_and_wait", str(storage)]
    process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})
    until = time.monotonic() + HANGS
    try:
        while len(parts(storage)) < fewest:
            assert process.poll() is None, "it ended before it could be killed"
            assert time.monotonic() < until
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    return parts(storage)


@pytest.mark.slow
def test_a_killed_exploration_goes_on_where_it_stopped(
    study: Study, found: RashomonSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(study.storage.removeprefix("sqlite:///")).parent
    shutil.copytree(folder, tmp_path / "copy")
    storage = tmp_path / "copy" / "a.db"
    with sqlite3.connect(storage) as connection:
        connection.execute("DELETE FROM autofi_stage WHERE key = 'rashomon'")
    before = killed_after(storage, ENOUGH)
    assert len(before) >= ENOUGH
    trained = [key for key in before if "/model/" in key]

    recorded: list[str] = []
    trainings: list[int] = []
    record, train = StudyHandle.record_stage, Workbench.train

    def recording(self: StudyHandle, key: str, payload: Any) -> None:
        recorded.append(key)
        record(self, key, payload)

    def training(self: Workbench, *arguments: Any, seed: int, **settings: Any) -> Any:
        trainings.append(seed)
        return train(self, *arguments, seed=seed, **settings)

    monkeypatch.setattr(StudyHandle, "record_stage", recording)
    monkeypatch.setattr(Workbench, "train", training)
    progress = Notes()
    opened = autofi.open_study("mine", str(storage))
    again = opened.rashomon(EPS, settings=SETTINGS, progress=progress)
    # Nothing that was kept is done again: neither scored, nor trained.
    assert not before & set(recorded)
    assert any(key.startswith(PREFIX) for key in recorded)
    assert len(trained) >= SETTINGS.trainings
    assert trainings == []
    assert any(f"with {len(before)} finished parts" in line for line in progress.told)
    # The same in every digit.
    assert again.to_json() == found.to_json()
    # Parts are gone once the whole is there, their files too.
    assert parts(storage) == set()
    assert not (opened._handle.artifacts / "rashomon").exists()
    opened.close()


def test_a_part_is_made_once_and_is_what_json_keeps_of_it() -> None:
    made = []
    known = Parts()
    for _ in range(2):
        assert known.once("a", lambda: made.append(1) or {"x": (1, 2.5)}) == {"x": [1, 2.5]}
    assert made == [1]
    assert "a" in known
    assert "b" not in known
