"""One library on one table: a process on one core, and the results of all of them in a folder."""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autofi.core.atomic_file import atomic_path
from autofi.core.process_identity import start_time
from benchmarks.peers.entrants import Entrant
from benchmarks.peers.tables import Table
from benchmarks.peers.worker import Task, written

ROOT = Path(__file__).parents[2]
#: A process is ended after so many times its CPU seconds, and so many more, or if it sleeps: after so many times that.
PATIENCE, GRACE, ASLEEP = 10, 300, 10
_LAST_LINES = 12


class RunFailedError(RuntimeError):
    """A library did not come to an end."""


@dataclass(frozen=True)
class Key:
    """A run; a finished one is not repeated."""

    entrant: str
    table: str
    seed: int
    seconds: float

    @classmethod
    def of(cls, line: dict[str, Any]) -> Key:
        return cls(line["entrant"], line["table"], line["seed"], line["seconds"])

    @property
    def file(self) -> str:
        told = f"{self.entrant}|{self.table}|{self.seed}|{self.seconds:g}"
        return f"{hashlib.sha256(told.encode()).hexdigest()[:20]}.npy"


class Results:
    """A folder with a JSON line per finished run, its probabilities of test rows, and the count of their readings."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lines_path, self.readings_path = folder / "results.jsonl", folder / "test_readings.json"
        (folder / "predictions").mkdir(parents=True, exist_ok=True)

    def lines(self) -> dict[Key, dict[str, Any]]:
        """Return the finished runs; where one was repeated, the last."""
        if not self.lines_path.exists():
            return {}
        text = self.lines_path.read_text(encoding="utf-8")
        # What follows the last end of a line was being written when its process was killed.
        whole = text[: text.rfind("\n") + 1]
        return {Key.of(line): line for line in map(json.loads, whole.splitlines())}

    def predictions(self, key: Key) -> NDArray[np.float64]:
        return np.asarray(np.load(self.folder / "predictions" / key.file), dtype=np.float64)

    def add(self, key: Key, probabilities: NDArray[Any], line: dict[str, Any]) -> None:
        """Keep a finished run: all of it, or nothing."""
        with (
            atomic_path(self.folder / "predictions" / key.file) as part,
            part.open("wb") as stream,
        ):
            np.save(stream, np.asarray(probabilities, dtype=np.float32))
        with self._locked():
            self._cut()
            with self.lines_path.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(line) + "\n")

    def readings(self) -> dict[str, dict[str, int]]:
        """Return how many models were measured on the test rows of each table, by entrant."""
        if not self.readings_path.exists():
            return {}
        found: dict[str, dict[str, int]] = json.loads(self.readings_path.read_text(encoding="utf-8"))
        return found

    def count_reading(self, table: str, entrant: str) -> int:
        """Count one model more; returns how many there were before, of all entrants."""
        with self._locked():
            found = self.readings()
            counted = Counter(found.get(table, {}))
            before = counted.total()
            counted[entrant] += 1
            with atomic_path(self.readings_path) as part:
                part.write_text(json.dumps(found | {table: dict(counted)}, indent=1), encoding="utf-8")
        return before

    def _cut(self) -> None:
        """Remove the beginning of a line that a killed process left."""
        if self.lines_path.exists():
            kept = self.lines_path.read_bytes()
            os.truncate(self.lines_path, kept.rfind(b"\n") + 1)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self.folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Yield a folder of the system's for rows and models, deleted at the end; those of killed commands are, too."""
    prefix = "autofi-peers-"
    for path in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        pid = path.name.removeprefix(prefix).partition("-")[0]
        if pid.isdigit() and start_time(int(pid)) is None:
            shutil.rmtree(path, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f"{prefix}{os.getpid()}-") as folder:
        yield Path(folder)


@dataclass(frozen=True)
class Finished:
    """The result of a process: probabilities, its seconds, and its memory.

    `cpu` counts from the first look at the rows to the probabilities of test rows, `process_cpu` all of the process,
    imports included.
    """

    probabilities: NDArray[np.float32]
    cpu: float
    process_cpu: float
    wall: float
    peak_mb: float
    note: str


def run(
    entrant: Entrant,
    python: Path,
    table: Table,
    rows: Path,
    work: Path,
    *,
    seed: int,
    seconds: float,
    core: int,
) -> Finished:
    """Fit a library in a process of its own, on one core, with one thread.

    Args:
        rows: Folder with a Parquet file per part.
        work: An empty folder.

    Raises:
        RunFailedError: The process ended early; the message has its last lines.
    """
    scratch = work / "scratch"
    scratch.mkdir()
    task = Task(
        str(rows), list(table.numeric), dict(table.multi_valued), table.by_chance, seconds, seed, entrant.variant,
        entrant.options, str(scratch),
    )  # fmt: skip
    written(task, work / "task.json")
    command = [str(python), "-m", f"benchmarks.peers.{entrant.module}", str(work / "task.json")]
    begun, most = time.monotonic(), int(PATIENCE * seconds + GRACE)
    with (work / "log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=scratch, env=_environment(scratch), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            preexec_fn=lambda: _confine(core, most), start_new_session=True,
        )  # fmt: skip
        try:
            status, usage = _wait(process.pid, begun + ASLEEP * most)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            os.waitpid(process.pid, 0)
            raise
        finally:
            # It was waited for here, by its id, as only that tells what it used.
            process.returncode = 0
    if status == -signal.SIGXCPU:
        raise RunFailedError(f"it was ended after {most} CPU seconds")
    if status != 0 or not (work / "answer.json").exists():
        said = (work / "log").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        raise RunFailedError("\n".join([f"it ended with status {status}:", *said[-_LAST_LINES:]]))
    told = json.loads((work / "answer.json").read_text(encoding="utf-8"))
    return Finished(
        probabilities=np.load(work / "test.npy"),
        cpu=told["cpu"],
        process_cpu=usage.ru_utime + usage.ru_stime,
        wall=time.monotonic() - begun,
        peak_mb=usage.ru_maxrss / 1024,
        note=told["note"],
    )


def _wait(pid: int, until: float) -> tuple[int, Any]:
    while True:
        ended, status, usage = os.wait4(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status), usage
        if time.monotonic() > until:
            raise RunFailedError("it did not end, and used hardly any CPU")
        time.sleep(0.05)


def _environment(scratch: Path) -> dict[str, str]:
    threads = ("OMP", "MKL", "OPENBLAS", "NUMBA")
    return {
        **os.environ,
        **{f"{name}_NUM_THREADS": "1" for name in threads},
        "LOKY_MAX_CPU_COUNT": "1",
        "PYTHONPATH": str(ROOT),
        "TMPDIR": str(scratch),
    }


def _confine(core: int, cpu_seconds: int) -> None:
    """Keep this process to a core and to its seconds, and end it with its parent (PR_SET_PDEATHSIG)."""
    os.sched_setaffinity(0, {core})
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 60))
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
