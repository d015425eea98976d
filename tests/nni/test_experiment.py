"""Real experiments of NNI: every tuner proposes, nobody else can look, and none outlives its search."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

import autofi
from autofi.errors import EngineError
from autofi.nni.experiment import Experiment, Order
from autofi.nni.search_space_document import from_nni, to_document
from autofi.nni.tuners import TUNERS, Tuner

ROOT = Path(autofi.__file__).parents[1]
SPACE = {
    "rate": FloatDistribution(1e-4, 1e-1, log=True),
    "kind": CategoricalDistribution(["a", "b", "c"]),
    "wide": CategoricalDistribution([True, False]),
    "layers": IntDistribution(1, 4),
}
KNOWN = ({"rate": 1e-3, "kind": "a", "wide": True, "layers": 2}, 0.5)
CHROMIUM = (
    os.environ.get("AUTOFI_TEST_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
)
WAIT_MS = 60_000

# The environment with NNI may have to be made first.
pytestmark = [pytest.mark.usefixtures("home"), pytest.mark.timeout(600)]


def order(tuner: Tuner, folder: Path) -> Order:
    return Order(
        name="planted",
        folder=folder,
        space=to_document(SPACE),
        tuner=tuner.name,
        arguments=tuner.arguments("maximize", 3),
        at_once=tuner.at_once or 2,
        known=[KNOWN] if tuner.learns else [],
    )


def family(pid: int | None = None, *, without: Collection[psutil.Process] = ()) -> dict[psutil.Process, str]:
    """All that descend from a process, by default this one, with their command lines."""
    found = {}
    for process in psutil.Process(pid).children(recursive=True):
        # Some only pass by: the shells with which the manager asks for a GPU, say.
        with contextlib.suppress(psutil.NoSuchProcess):
            if process not in without:
                found[process] = " ".join(process.cmdline())
    return found


@pytest.fixture
def strangers() -> list[psutil.Process]:
    """What other tests have left: processes that joblib keeps for its next trainings."""
    return list(family())


def only(found: dict[psutil.Process, str], word: str) -> psutil.Process:
    """The one process with that word in its command line, and no shell in front of it."""
    (process,) = [
        process for process, line in found.items() if word in line and not line.startswith("/bin/sh ")
    ]
    return process


@pytest.mark.parametrize("tuner", TUNERS.values(), ids=TUNERS)
def test_a_tuner_proposes_points_of_the_space_and_stands_a_failure(
    tuner: Tuner, tmp_path: Path, nni_python: Path, strangers: list[psutil.Process]
) -> None:
    seen = []
    with Experiment(nni_python, order(tuner, tmp_path / "nni")) as experiment:
        for turn in range(3):
            proposed = experiment.next()
            assert proposed is not None
            seen.append(from_nni(proposed.parameters, SPACE))
            if turn == 1:
                proposed.refuse("it diverged")
            else:
                proposed.answer(0.5 + turn / 100)
        children = family(without=strangers)
    assert children
    assert [child for child in children if child.is_running()] == []
    for parameters in seen:
        for name, value in parameters.items():
            assert SPACE[name]._contains(SPACE[name].to_internal_repr(value))
    assert len({tuple(parameters.items()) for parameters in seen}) == 3


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, nni_python: Path) -> Iterator[Experiment]:
    """An experiment with two answers."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        opened = Experiment(nni_python, order(TUNERS["Random"], home / "nni"))
        with opened:
            for turn in range(2):
                proposed = opened.next()
                assert proposed is not None
                proposed.answer(0.71 + turn / 100)
            yield opened


class TestRunning:
    """One experiment, looked at from all sides; the last test ends its tuner."""

    def test_it_listens_on_this_machine_only(self, running: Experiment) -> None:
        port = int(running.url.rpartition(":")[2])
        found = only(family(), "main.js").net_connections("inet")
        assert [one.laddr for one in found if one.status == psutil.CONN_LISTEN] == [("127.0.0.1", port)]
        with socket.create_connection(("127.0.0.1", port), timeout=10):
            pass

    @pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt install chromium")
    def test_its_portal_shows_what_was_measured(self, running: Experiment, tmp_path: Path) -> None:
        playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
        with playwright.sync_playwright() as driver:
            browser: Any = driver.chromium.launch(
                executable_path=CHROMIUM, args=["--no-sandbox"], timeout=WAIT_MS
            )
            page = browser.new_page(viewport={"width": 1400, "height": 1000})
            page.goto(f"{running.url}/oview", timeout=WAIT_MS)
            page.get_by_text(running.id).first.wait_for(timeout=WAIT_MS)
            page.get_by_text("0.72").first.wait_for(timeout=WAIT_MS)
            page.screenshot(path=os.environ.get("AUTOFI_TEST_PORTAL", tmp_path / "portal.png"))
            browser.close()

    def test_a_dead_tuner_is_noticed(self, running: Experiment) -> None:
        only(family(), "--exp_params").kill()
        begun = time.monotonic()
        with pytest.raises(EngineError, match="NNI's tuner is gone .its process died"):
            self.ask_on(running)
        assert time.monotonic() - begun < 30

    def ask_on(self, running: Experiment) -> None:
        """More often than the tuner has proposed already."""
        for _ in range(4):
            assert running.next() is not None


def test_an_error_in_the_tuner_is_told(
    tmp_path: Path, nni_python: Path, strangers: list[psutil.Process]
) -> None:
    broken = Order("planted", tmp_path / "nni", to_document(SPACE), "TPE", {"optimize_mode": "sideways"})
    with pytest.raises(EngineError, match="sideways"), Experiment(nni_python, broken) as experiment:
        experiment.next()
    assert family(without=strangers) == {}


SEARCH = """
import sys
from pathlib import Path
from autofi.nni.experiment import Experiment, Order
order = Order("planted", Path(sys.argv[2]), {"kind": {"_type": "choice", "_value": ["a", "b"]}}, "Random", {})
with Experiment(Path(sys.argv[1]), order) as experiment:
    experiment.next()
    print("proposed", flush=True)
    experiment.next()
"""


@pytest.mark.parametrize("victim", ["search", "host"])
def test_nothing_outlives_a_search_that_is_killed(victim: str, tmp_path: Path, nni_python: Path) -> None:
    search = subprocess.Popen(
        [sys.executable, "-c", SEARCH, str(nni_python), str(tmp_path / "nni")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert search.stdout is not None
    assert search.stdout.readline() == "proposed\n"
    children = family(search.pid)
    for word in ("host.py", "main.js", "--exp_params", "relay.py"):
        only(children, word)
    os.kill(search.pid if victim == "search" else only(children, "host.py").pid, signal.SIGKILL)
    _, said = search.communicate(timeout=60)
    if victim == "host":
        assert "the process that watches it died" in said
    gone, alive = psutil.wait_procs(list(children), timeout=60)
    assert alive == []
    assert len(gone) >= 4
