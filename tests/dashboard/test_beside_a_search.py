"""The dashboard is read while four processes write trials: nobody waits for a lock, and nothing is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from autofi.dashboard import dashboard_app
from autofi.store import StudyStore, resolve_storage
from tests.dashboard.test_server import ask
from tests.store.examples import CREATED

pytest.importorskip("optuna_dashboard")
WORKERS, TRIALS = 4, 20


@pytest.mark.slow
def test_four_writers_and_a_reader(tmp_path: Path) -> None:
    path = str(tmp_path / "a.db")
    with StudyStore(resolve_storage(path)) as store, store.create_or_resume("mine", **CREATED):
        pass
    app = dashboard_app(path)
    script = str(Path(__file__).with_name("write_trials.py"))
    workers = [
        subprocess.Popen(
            [sys.executable, script, path, str(worker), str(TRIALS)],
            env={**os.environ, "PYTHONPATH": os.getcwd()},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for worker in range(WORKERS)
    ]
    grown = before = listed = 0
    try:
        while any(worker.poll() is None for worker in workers):
            status, page = ask(app, "GET", "/api/studies/1")
            assert status == "200 OK"
            grown += len(page["trials"]) > before
            before = max(before, len(page["trials"]))
            (study,) = ask(app, "GET", "/studies.json")[1]["studies"]
            assert listed <= study["trials"]["complete"] <= WORKERS * TRIALS
            assert study["trials"]["running"] <= study["workers"] <= WORKERS
            listed = study["trials"]["complete"]
            # Never half a figure.
            for figure in page["plotly_graph_objects"]:
                assert len(set(json.loads(figure["graph_object"])["data"])) == 1
    finally:
        for worker in workers:
            worker.kill()
    said = [worker.communicate()[0] for worker in workers]
    assert [(worker.returncode, text) for worker, text in zip(workers, said, strict=True)] == [
        (0, "")
    ] * WORKERS
    assert grown > 0 and listed > 0

    status, page = ask(dashboard_app(path), "GET", "/api/studies/1")
    assert status == "200 OK"
    assert sorted(trial["number"] for trial in page["trials"]) == list(range(WORKERS * TRIALS))
    assert {trial["state"] for trial in page["trials"]} == {"Complete"}
    notes = {trial["note"]["body"] for trial in page["trials"]}
    assert notes == {f"worker {worker}, turn {turn}" for worker in range(WORKERS) for turn in range(TRIALS)}
    (figure,) = page["plotly_graph_objects"]
    assert len(set(json.loads(figure["graph_object"])["data"])) == 1
