"""A search comes to the same on any number of cores, and uses those that it may use."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from autofi.data.load import open_data
from autofi.evaluation import cores
from autofi.evaluation.cores import default_jobs, has_small_steps, threads_for, usable_cores
from autofi.store import ModelRole, StudyStore, resolve_storage
from autofi.store.search_settings import SearchSettings
from tests.visits import visits

CPU = torch.device("cpu")
DATA = open_data(visits(3000).drop(columns=["hour", "weight", "visit"]), SearchSettings(None, "click"))


def test_a_small_table_has_a_training_per_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "usable_cores", lambda: 6)
    assert default_jobs(CPU, DATA) == 1  # tiny: over before another process has started
    monkeypatch.setattr(cores, "FEW_ROWS", 100)
    assert has_small_steps(DATA)
    assert default_jobs(CPU, DATA) == 6
    assert default_jobs(CPU, DATA, workers=2) == 3
    assert default_jobs(CPU, DATA, workers=9) == 1
    monkeypatch.setattr(cores, "MANY_VALUES", 1000)
    assert not has_small_steps(DATA)
    assert default_jobs(CPU, DATA) == 1  # large: one training has all cores


def test_memory_limits_the_trainings_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "usable_cores", lambda: 8)
    monkeypatch.setattr(cores, "FEW_ROWS", 100)
    monkeypatch.setattr(cores, "machine_memory", lambda: 3 * cores.BYTES_A_JOB)
    assert default_jobs(CPU, DATA) == 3
    monkeypatch.setattr(cores, "machine_memory", lambda: 1)
    assert default_jobs(CPU, DATA) == 1


def test_threads_follow_from_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(2)
    try:
        with threads_for(DATA, CPU):
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
        monkeypatch.setattr(cores, "MANY_VALUES", 1000)
        with threads_for(DATA, CPU):
            assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


def test_a_process_uses_no_more_cores_than_it_may() -> None:
    assert usable_cores() == 1  # OMP_NUM_THREADS of the tests


def test_waiting_threads_of_the_command_sleep() -> None:
    code = (
        "import os, sys; import autofi.cli; assert 'torch' not in sys.modules; sys.argv = ['autofi', '--version']\n"
        "try: autofi.cli.main()\nexcept SystemExit: print(os.environ['OMP_WAIT_POLICY'])"
    )
    quiet = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    for given, expected in ((quiet, "passive"), (quiet | {"OMP_WAIT_POLICY": "active"}, "active")):
        run = subprocess.run(
            [sys.executable, "-c", code], env=given, capture_output=True, text=True, check=True
        )
        assert run.stdout.split()[-1] == expected


@pytest.mark.slow
@pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2, reason="it needs two cores"
)
def test_a_search_is_the_same_on_one_core_and_on_two(tmp_path: Path) -> None:
    found = {count: _search(tmp_path / f"{count}.db", count) for count in (1, 2)}
    assert found[1] == found[2]
    assert len(found[1]["trials"]) == 3
    assert {name for _, name, *_ in found[1]["models"]} >= {"winner", "lightgbm", "lr"}


def _search(storage: Path, count: int) -> dict[str, Any]:
    """The figures of a search by `count` cores, in a process of its own."""
    free = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    some = sorted(os.sched_getaffinity(0))[:count]
    command = f"import os; os.sched_setaffinity(0, {some}); from autofi.cli import main; main()"
    run = subprocess.run(
        [
            *(
                sys.executable,
                "-c",
                command,
                "search",
                "planted:rows=8000",
                "--study",
                "cores",
                "--trials",
                "3",
                "--strategy",
                "quick",
            ),
            *("--storage", str(storage), "--seeds", "2", "--baselines", "lightgbm,lr", "--device", "cpu"),
        ],
        env=free,
        capture_output=True,
        text=True,
        check=True,
        cwd=storage.parent,
    )
    assert (f"Up to {count} trainings at once" in run.stderr) == (count > 1)
    with StudyStore(resolve_storage(str(storage))) as store, store.open("cores") as study:
        models = [
            (model.role.value, model.name, model.seed, json.dumps(model.metrics, sort_keys=True))
            for role in (ModelRole.FINALIST, ModelRole.WINNER, ModelRole.BASELINE)
            for model in study.models(role)
        ]
        return {
            "trials": [
                (trial.number, trial.architecture_id, trial.value, trial.valid) for trial in study.trials()
            ],
            "models": sorted(models),
            "winner": (study.stage("winner") or {}).get("architecture_id"),
        }
