"""Workers on Ray: a real cluster of two nodes on this machine, each with room for one worker."""

from __future__ import annotations

import importlib
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest
from typer.testing import CliRunner

from autofi.api.ray_workers import RayPlan, RayWorkers
from autofi.cli.app import app
from autofi.core.process_identity import start_time
from autofi.core.progress import SilentProgress
from autofi.errors import ConfigError
from autofi.store import StorageURL, resolve_storage
from tests.test_workers import SPACE, TABLE, complete, search, set_goal, values

pytest.importorskip("ray", reason="needs the package ray: pip install 'autofi[ray]'")

# Two nodes start in tens of seconds on two busy cores.
pytestmark = pytest.mark.timeout(600)

PLAN = RayPlan(cpus=1, gpus=0, data=None)
ROOM = {"num_cpus": 1, "object_store_memory": 80 * 2**20}


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Two nodes of one core each; what a node starts is a child of its own raylet."""
    Cluster: Any = importlib.import_module("ray.cluster_utils").Cluster
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    # Ray's workers give way to everything else by default: on a busy machine they would hardly begin.
    monkeypatch.setenv("RAY_worker_niceness", "0")
    made = Cluster(initialize_head=True, head_node_args={**ROOM, "include_dashboard": False})
    try:
        made.second = made.add_node(**ROOM)
        monkeypatch.setenv("RAY_ADDRESS", made.address)
        yield made
    finally:
        made.shutdown()


class Notes(SilentProgress):
    def __init__(self) -> None:
        self.told: list[str] = []

    def note(self, text: str) -> None:
        self.told.append(text)


def rows(storage: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(storage)) as connection:
        return connection.execute(query).fetchall()


def measuring(storage: Path) -> dict[int, int]:
    """The raylet, and so the node, of each process that works on the study now and has taken a trial of it."""
    found = rows(
        storage,
        "SELECT DISTINCT owner_pid FROM autofi_worker AS w JOIN autofi_claim AS c ON c.worker_id = w.id "
        "WHERE owner_pid IS NOT NULL",
    )
    return {pid: psutil.Process(pid).ppid() for (pid,) in found if psutil.pid_exists(pid)}


def test_both_nodes_measure_and_what_a_lost_node_was_at_is_taken_over(cluster: Any, tmp_path: Path) -> None:
    storage, progress = tmp_path / "s.db", Notes()
    search(storage, trials=1)
    set_goal(storage, 1000)
    with RayWorkers("s", resolve_storage(str(storage)), 2, plan=PLAN, progress=progress) as crew:
        while len(nodes := set(measuring(storage).values())) < 2:
            crew.check()
            assert progress.told == []
            time.sleep(0.01)
        raylets = [
            node.all_processes["raylet"][0].process.pid for node in (cluster.head_node, cluster.second)
        ]
        assert nodes == set(raylets)
        lost = next(pid for pid, raylet in measuring(storage).items() if raylet == raylets[1])
        cluster.remove_node(cluster.second, allow_graceful=False)
        while not progress.told:
            crew.check()
            time.sleep(0.1)
        while start_time(lost) is not None:  # Ray's processes end a moment after their raylet
            time.sleep(0.1)
        claimed = rows(storage, "SELECT COUNT(*) FROM autofi_claim WHERE state != 'failed'")[0][0]
        set_goal(storage, claimed)
        while rows(storage, "SELECT 1 FROM autofi_claim WHERE state IN ('running', 'lost')"):
            time.sleep(0.1)
    (line,) = progress.told
    assert line.startswith("Worker ") and " ended: " in line
    trials = complete(storage)
    assert len({trial.architecture_id for trial in trials}) == len(trials) >= claimed
    alone = values(complete(search(tmp_path / "alone.db", trials=1)))
    assert values(complete(storage)).items() >= alone.items()


def test_a_search_on_the_cluster_is_a_study_as_any_other(cluster: Any, tmp_path: Path) -> None:
    storage = tmp_path / "s.db"
    result = CliRunner().invoke(
        app,
        f"search {TABLE} --space {SPACE} --trials 4 --seeds 1 --baselines none --study s --storage {storage} "
        "--engine ray --workers 3 --quiet".split(),
    )
    assert result.exit_code == 0, result.output
    trials = complete(storage)
    assert len({trial.architecture_id for trial in trials}) == len(trials) == 4
    assert rows(storage, "SELECT owner_pid FROM autofi_worker WHERE owner_pid IS NOT NULL") == []


class TestRefused:
    @pytest.mark.parametrize(
        ("flags", "message"),
        [
            ("--engine ray", "--workers 1 leaves no worker for Ray"),
            ("--engine ray --workers 2 --worker-cpus 0", "cannot take 0 cores and 0 GPUs"),
            ("--worker-cpus 2", "worker cpus 2.0 needs --engine ray, but the engine is optuna"),
            ("--worker-data x.csv --workers 2", "worker data x.csv needs --engine ray"),
        ],
    )
    def test_what_does_not_go_together(self, flags: str, message: str, tmp_path: Path) -> None:
        result = CliRunner().invoke(
            app, f"search {TABLE} --device cpu --storage {tmp_path}/s.db {flags}".split()
        )
        assert result.exit_code == 2
        assert message in result.output

    def test_a_worker_that_fits_on_no_node(self) -> None:
        url = resolve_storage("s.db")
        with pytest.raises(
            ConfigError,
            match=r"3 cores and 0 GPUs for a worker, the nodes have 2 and 0, 2 and 1; give smaller",
        ):
            RayPlan(3, 0, None).check_nodes([node("a", CPU=2.0), node("a", CPU=2.0, GPU=1.0)], url)

    def test_a_file_for_several_machines(self) -> None:
        several = [node("a", CPU=2.0), node("b", CPU=2.0)]
        with pytest.raises(ConfigError, match="The Ray cluster has 2 machines"):
            PLAN.check_nodes(several, resolve_storage("s.db"))
        PLAN.check_nodes([several[0], {**several[1], "Alive": False}], resolve_storage("s.db"))
        PLAN.check_nodes(several, StorageURL("postgresql+psycopg://ads@db/studies"))


def node(address: str, **resources: float) -> dict[str, Any]:
    """As `ray.nodes` tells of one."""
    return {"Alive": True, "NodeManagerAddress": address, "Resources": resources}
