"""Workers that share a study through its database: every architecture once, none lost with the worker that took it."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

import autofi
from autofi.errors import StoreError
from autofi.store import StorageURL, StudyHandle, StudyStore, TrialState
from autofi.store.claims import MOST_ATTEMPTS
from autofi.store.database import Database
from autofi.store.tables import WorkerRow
from benchmarks.trial_worker import create
from tests.store.examples import measured, start, trial

MakeStudy = Callable[..., StudyHandle]


@contextmanager
def working(
    url: StorageURL, count: int, *, most: int, seconds: float = 0.0
) -> Iterator[list[subprocess.Popen[str]]]:
    """`count` workers that begin at the same moment; killed at the end if they still run."""
    workers = [_worker(url, most, seconds) for _ in range(count)]
    try:
        for worker in workers:
            _await(worker)
        for worker in workers:
            _begin(worker)
        yield workers
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()


def _worker(url: StorageURL, most: int, seconds: float) -> subprocess.Popen[str]:
    root = Path(autofi.__file__).parents[1]
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.trial_worker", url.url, f"--most={most}", f"--seconds={seconds}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])},
    )


def _await(worker: subprocess.Popen[str]) -> None:
    assert worker.stdout is not None
    assert worker.stdout.readline() == "ready\n", worker.communicate()[1]


def _begin(worker: subprocess.Popen[str]) -> None:
    assert worker.stdin is not None
    worker.stdin.write("go\n")
    worker.stdin.flush()


def _ended(workers: Sequence[subprocess.Popen[str]]) -> None:
    for worker in workers:
        _, said = worker.communicate(timeout=120)
        assert worker.returncode == 0, said
        assert not said


@pytest.mark.slow
def test_three_share_the_trials_and_none_is_lost_or_done_twice(url: StorageURL) -> None:
    with StudyStore(url) as store, create(store) as study:
        with working(url, 3, most=30) as workers:
            _ended(workers)
        trials = study.trials()
        assert [trial.number for trial in trials] == list(range(30))
        assert {trial.state for trial in trials} == {TrialState.COMPLETE}
        assert len({trial.architecture_id for trial in trials}) == 30


@pytest.mark.slow
def test_killed_at_any_moment_they_lose_nothing(url: StorageURL) -> None:
    """Kills two of three workers, one after another at random moments, and lets the last one finish."""
    chance = random.Random(5)
    with StudyStore(url) as store, create(store) as study:
        with working(url, 3, most=30, seconds=0.05) as workers:
            for worker in workers[:2]:
                time.sleep(chance.uniform(0.0, 0.25))
                worker.send_signal(signal.SIGKILL)
                worker.wait()
            _ended(workers[2:])
        trials = {trial.number: trial for trial in study.trials()}
        states = Counter(trial.state for trial in trials.values())
        assert (states[TrialState.COMPLETE], states[TrialState.RUNNING]) == (30, 0)
        complete = [trial for trial in trials.values() if trial.state is TrialState.COMPLETE]
        assert len({trial.architecture_id for trial in complete}) == 30, "none twice"
        for trial in complete:
            if "retry_of" in trial.attrs:
                assert trials[trial.attrs["retry_of"]].state is TrialState.FAIL


def test_an_architecture_that_ends_every_worker_has_failed(store: StudyStore, make_study: MakeStudy) -> None:
    study = make_study(store)
    start(study)
    _die(store)
    for attempt in range(1, MOST_ATTEMPTS + 1):
        (lost,) = study.reap()
        found = study.take_over("scratch")
        assert (found is None) == (attempt == MOST_ATTEMPTS)
        assert found is None or found.attrs["retry_of"] == lost
    assert study.pending("scratch") == 0
    assert study.counted("scratch") == 0, "its place is free for another architecture"
    assert {trial.state for trial in study.trials()} == {TrialState.FAIL}


def test_a_worker_that_was_only_cut_off_does_not_count_twice(
    store: StudyStore, make_study: MakeStudy
) -> None:
    """Of one taken for dead, another has taken its trial over: what it measured comes too late."""
    study = make_study(store)
    number = start(study)
    assert number is not None
    _die(store)
    with StudyStore(store.url) as elsewhere:
        other = elsewhere.open("clicks")
        assert other.reap() == (number,)
        again = other.take_over("scratch")
        assert again is not None
        with pytest.raises(StoreError, match=f"trial {number} of study 'clicks' is not running"):
            study.finish_trial(number, 0.9, measured(0.9))
        other.finish_trial(again.number, 0.7, measured(0.7))
        other.close()
    (complete,) = (trial for trial in study.trials() if trial.state is TrialState.COMPLETE)
    assert (complete.number, complete.value) == (again.number, 0.7)


def test_a_worker_elsewhere_is_alive_while_it_renews(store: StudyStore, make_study: MakeStudy) -> None:
    study = make_study(store)
    start(study)
    _die(store, place="another machine", seen=datetime.now(UTC) - timedelta(seconds=30))
    assert study.reap() == ()
    _die(store, place="another machine", seen=datetime.now(UTC) - timedelta(seconds=300))
    assert study.reap() == (0,)


def test_an_interrupted_trial_waits_for_the_next_worker(store: StudyStore, make_study: MakeStudy) -> None:
    study = make_study(store)
    number = start(study)
    assert number is not None
    study.give_up_trial(number, KeyboardInterrupt())
    assert study.pending("scratch") == 1
    again = study.take_over("scratch")
    assert again is not None and again.attrs["retry_of"] == number


def test_no_more_than_asked_for(store: StudyStore, make_study: MakeStudy) -> None:
    study = make_study(store)
    numbers = [study.start_trial(**trial(architecture_id=f"a{number}", most=2)) for number in range(3)]
    assert numbers == [0, 1, None]
    study.fail_trial(1, "diverged")
    assert start(study, architecture_id="a2", most=2) == 2, "a failed one is replaced"
    assert study.start_trial(**trial(architecture_id="a1", most=9)) is None, "but not repeated"


def test_trials_from_before_there_were_claims_count(store: StudyStore, make_study: MakeStudy) -> None:
    study = make_study(store)
    for number in range(2):
        start(study, architecture_id=f"a{number}")
    study.finish_trial(0, 0.7, measured(0.7))
    study.close()
    database = Database(store.url)
    with database.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM autofi_claim")
        connection.exec_driver_sql("DELETE FROM trial_user_attributes WHERE trial_user_attributes.key = 'claim'"
                                   if store.url.backend != "mysql" else
                                   "DELETE FROM trial_user_attributes WHERE `key` = 'claim'")  # fmt: skip
    database.close()
    again = make_study(store)
    assert again.counted("scratch") == 1
    assert again.start_trial(**trial(architecture_id="a0")) is None
    assert [trial.state for trial in again.trials()] == [TrialState.COMPLETE, TrialState.FAIL]


def _die(store: StudyStore, *, place: str = "", seen: datetime | None = None) -> None:
    """Make every worker of the studies look as if its process were elsewhere, and was last seen then (or is gone)."""
    database = Database(store.url)
    with database.session() as session:
        token = "theirs" if seen is not None else None
        session.execute(update(WorkerRow).values(owner_place=place, owner_token=token, owner_seen_at=seen))
    database.close()
