"""The store keeps its contract over a real SQLite file, a real PostgreSQL and a real MariaDB."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from wsgiref.util import setup_testing_defaults

import pytest
from optuna.storages import RDBStorage
from sqlalchemy import event

import autofi
from autofi.errors import StoreError
from autofi.store import StorageURL, StudyHandle, StudyStore, TrialState, resolve_storage
from autofi.store.database import Database
from autofi.testing import StoreContract
from tests.store.examples import ARCHITECTURE, PARAMS, measured, start, trial

MakeStudy = Callable[..., StudyHandle]


class TestStore(StoreContract):
    """In the databases of the fixture `url` in conftest."""


SEARCH_UNTIL_KILLED = """
import sys, time
from autofi.store import StudyStore, resolve_storage
from autofi.testing import StoreContract
from tests.store.examples import CREATED, measured, start

study = StudyStore(resolve_storage(sys.argv[1])).create_or_resume("clicks", **CREATED)
study.finish_trial(start(study), 0.7, measured(0.7))
start(study, architecture_id="a2")
print("running", flush=True)
time.sleep(600)
"""


@pytest.mark.slow
def test_a_killed_search_is_resumed_without_its_running_trial(url: StorageURL, make_study: MakeStudy) -> None:
    root = Path(autofi.__file__).parents[1]
    search = subprocess.Popen(
        [sys.executable, "-c", SEARCH_UNTIL_KILLED, url.url],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])},
    )
    with search, StudyStore(url) as store:
        try:
            assert search.stdout is not None
            assert search.stdout.readline() == "running\n"
            with pytest.raises(StoreError, match=f"process {search.pid} on this machine"):
                make_study(store)
        finally:
            search.send_signal(signal.SIGKILL)
        search.wait()

        study = make_study(store)
        complete, lost = study.trials()
        assert complete.state == TrialState.COMPLETE
        assert complete.architecture == ARCHITECTURE
        assert complete.valid == {"auc": 0.7, "logloss": 0.4}
        assert lost.state == TrialState.FAIL
        assert lost.error == "the process that ran this trial ended before it did"
        assert study.start_trial(**trial(architecture_id="a2")) is None, (
            "it waits to be taken over, as it was"
        )
        again = study.take_over("scratch")
        assert again is not None
        assert (again.number, again.state, again.attrs["retry_of"]) == (2, TrialState.RUNNING, 1)
        assert (again.architecture_id, again.architecture, again.params) == ("a2", ARCHITECTURE, PARAMS)
        assert study.take_over("scratch") is None
        assert study.reap() == (), "what this handle runs is not lost"
        study.close()


def test_many_may_open_an_empty_database_at_once(empty_url: StorageURL) -> None:
    failures: list[BaseException] = []
    barrier = threading.Barrier(4)

    def open_and_list() -> None:
        barrier.wait()
        try:
            Database(empty_url).close()
        except BaseException as error:  # reported by the assertion below
            failures.append(error)

    threads = [threading.Thread(target=open_and_list) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_what_has_ended_is_read_once(store: StudyStore, make_study: MakeStudy) -> None:
    study = make_study(store)
    for number in range(4):
        study.finish_trial(start(study, architecture_id=f"a{number}"), 0.7, measured(0.7))
    trials = study.trials()
    asked: list[str] = []
    event.listen(
        study._database.engine,
        "before_cursor_execute",
        lambda _, __, statement, *___: asked.append(statement),
    )
    assert study.trials() == trials
    assert [study.trial(trial.number) for trial in trials] == list(trials)
    assert asked
    of_trials = ("trial_params", "trial_user_attributes", "autofi_architecture")
    assert not [statement for statement in asked if any(table in statement for table in of_trials)]


def test_the_dashboard_lists_and_shows_it(
    store: StudyStore, make_study: MakeStudy, outside: RDBStorage
) -> None:
    dashboard = pytest.importorskip("optuna_dashboard")
    study = make_study(store)
    study.finish_trial(start(study), 0.8, measured(0.8))
    start(study, architecture_id="a2")
    application = dashboard.wsgi(outside)

    def get(path: str) -> dict[str, object]:
        environ: dict[str, object] = {}
        setup_testing_defaults(environ)
        environ["PATH_INFO"] = path
        answers: list[str] = []
        body = b"".join(application(environ, lambda status, *_: answers.append(status)))
        assert answers == ["200 OK"]
        found = json.loads(body)
        assert isinstance(found, dict)
        return found

    (summary,) = get("/api/studies")["study_summaries"]
    assert summary["study_name"] == "clicks"
    detail = get(f"/api/studies/{summary['study_id']}")
    assert [trial["state"] for trial in detail["trials"]] == ["Complete", "Running"]


def test_a_study_whose_database_is_gone_leaves_nothing_to_the_next_of_its_name(
    tmp_path: Path, make_study: MakeStudy
) -> None:
    folders = []
    for name in ("a.db", "b.db"):
        with StudyStore(resolve_storage(str(tmp_path / name))) as store:
            study = make_study(store)
            folders.append(study.artifacts)
    assert folders[0] != folders[1]
    assert {folder.parent for folder in folders} == {tmp_path / "clicks"}
