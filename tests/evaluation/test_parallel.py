"""Trainings at once come to what they come to in turn, and one that fails or dies is told from the others."""

from __future__ import annotations

import dataclasses
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from autofi.core.memmap import scratch_folder
from autofi.data.load import open_data
from autofi.errors import ConfigError
from autofi.evaluation.parallel import Retraining, Training, at_once, train_each, try_each
from autofi.evaluation.single_point import baseline
from autofi.evaluation.training_processes import kill_processes, start_processes
from autofi.evaluation.workbench import Measurement, OnEvaluation, Workbench
from autofi.space.architecture import Architecture
from autofi.store.search_settings import SearchSettings
from tests.visits import visits

SEVERAL = Path(__file__).parents[1] / "spaces" / "several.yaml"
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Sums of several threads come to other last digits."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def workbench(*, jobs: int, rows: int = 3000) -> Workbench:
    """Visits, with enough rows that the processes map the arrays instead of being sent them."""
    table = visits(rows).drop(columns=["hour", "weight", "visit"])
    return Workbench(open_data(table, SearchSettings(None, "click")), device=CPU, seed=0, jobs=jobs)


def short(bench: Workbench, name: str) -> Architecture:
    """A baseline trained for two evaluations."""
    made = baseline(name, bench)
    return dataclasses.replace(made, training=dataclasses.replace(made.training, epochs=2, evaluations=1))


@dataclass(frozen=True)
class Doomed:
    """A training that finds no memory, and raises or, in a process of its own, is ended by the system."""

    architecture: Architecture
    raises: str = ""
    here: int = field(default_factory=os.getpid)

    def __call__(self, bench: Workbench, on_evaluation: OnEvaluation | None) -> Measurement:
        if self.raises:
            raise MemoryError(self.raises)
        if os.getpid() != self.here:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(1)
        raise MemoryError("the other one takes the next")


@dataclass(frozen=True)
class Where:
    """A task that tells its process and how many threads it has there."""

    architecture: None = None

    def __call__(self, bench: Workbench, on_evaluation: OnEvaluation | None) -> tuple[int, int]:
        time.sleep(0.2)
        return os.getpid(), torch.get_num_threads()


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A scratch folder that no other process of this machine uses."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert scratch_folder() == str(tmp_path)
    return tmp_path


@pytest.mark.parametrize("refit", [pytest.param(False, marks=pytest.mark.slow), True])
def test_side_by_side_comes_to_what_comes_in_turn(refit: bool) -> None:
    together, in_turn = workbench(jobs=3), workbench(jobs=1)
    for ready in start_processes(2):  # so that this process does not train all
        ready.result()
    tasks = [Retraining(short(in_turn, "all-memorize"), seed, refit=refit) for seed in range(3)]
    found, expected = dict(train_each(together, tasks)), dict(train_each(in_turn, tasks))
    assert set(found) == set(expected) == {0, 1, 2}
    for number, trained in found.items():
        alone = expected[number]
        assert trained.seed == alone.seed == number
        for part in ("valid", "test"):
            np.testing.assert_array_equal(trained.predictions[part], alone.predictions[part])
        weights = alone.network.state_dict()
        for name, weight in trained.network.state_dict().items():
            torch.testing.assert_close(weight, weights[name], rtol=0, atol=0)
    assert not np.allclose(found[0].predictions["test"], found[1].predictions["test"])


@pytest.mark.slow
def test_processes_map_large_arrays_and_may_read_them(scratch: Path) -> None:
    bench = workbench(jobs=2, rows=150_000)  # 1.2 MB of codes
    assert bench.dataset.ids.nbytes > 1 << 20
    tasks = [Training(short(bench, "lr"), seed) for seed in range(2)]
    aucs = {measured.report.auc for _, measured in train_each(bench, tasks)}
    assert len(aucs) == 2
    assert min(aucs) > 0.7
    assert not list(scratch.glob("autofi-*"))


def test_evaluations_are_told_from_other_processes(scratch: Path) -> None:
    tasks = [Training(short(workbench(jobs=1), "lr"), seed) for seed in range(3)]
    for ready in start_processes(1):
        ready.result()
    together, in_turn = told(workbench(jobs=2), tasks), told(workbench(jobs=1), tasks)
    assert [number for number, *_ in in_turn] == [1, 2] * 3
    np.testing.assert_allclose(sorted(together), sorted(in_turn), atol=1e-6)
    assert not list(scratch.glob("autofi-*"))


def told(bench: Workbench, tasks: list[Training]) -> list[tuple[int, float, float]]:
    """Number, AUC and logloss of every evaluation of these trainings that somebody who waits for them is told."""
    evaluations = []

    def hear(number: int, auc: float, logloss: float, speed: float) -> None:
        assert speed > 0
        evaluations.append((number, auc, logloss))

    dict(train_each(bench, tasks, on_evaluation=hear))
    return evaluations


def test_a_training_that_fails_leaves_the_others_alone() -> None:
    bench = workbench(jobs=2)
    found = short(bench, "lr")
    tasks: list[Any] = [Doomed(found, "no room"), Training(found, 0), Training(found, 1)]
    outcomes = dict(try_each(bench, tasks))
    assert isinstance(outcomes[0], MemoryError)
    assert isinstance(outcomes[1], Measurement)
    assert isinstance(outcomes[2], Measurement)
    with pytest.raises(MemoryError, match="no room"):
        list(train_each(bench, tasks))


@pytest.mark.parametrize("jobs", [1, 2])
def test_none_begins_when_it_is_not_to_go_on(jobs: int) -> None:
    bench = workbench(jobs=jobs)
    tasks = [Training(short(bench, "lr"), seed) for seed in range(5)]
    answers = iter([True, True, False, True, True])
    assert set(dict(try_each(bench, tasks, go_on=lambda: next(answers)))) == {0, 1}


@pytest.mark.slow
def test_processes_are_kept_and_this_one_trains_too() -> None:
    kill_processes()  # those of other tests
    torch.set_num_threads(2)
    bench = workbench(jobs=2)
    for ready in start_processes(1):
        ready.result()
    seen = [set(dict(try_each(bench, [Where()] * 8)).values()) for _ in range(2)]
    assert seen[0] == seen[1]
    assert len(seen[0]) == 2
    assert (os.getpid(), 1) in seen[0]
    assert {threads for _, threads in seen[0]} == {1}
    assert torch.get_num_threads() == 2


@pytest.mark.slow
def test_a_process_that_the_system_ends_is_one_line() -> None:
    bench = workbench(jobs=2)
    found = short(bench, "lr")
    for ready in start_processes(1):
        ready.result()
    with pytest.raises(
        ConfigError, match=r"^The system ended the process of one of 2 trainings, .* give fewer --jobs\.$"
    ):
        list(try_each(bench, [Doomed(found)] * 20))
    # The next ones get processes of their own.
    assert len(dict(train_each(bench, [Training(found, 0), Training(found, 1)]))) == 2


def test_rows_in_files_are_trained_on_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOFI_MEMORY", "10kB")
    assert at_once(workbench(jobs=4)) == 1
    monkeypatch.delenv("AUTOFI_MEMORY")
    assert at_once(workbench(jobs=4)) == 4
