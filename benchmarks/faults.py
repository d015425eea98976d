"""What breaks while workers share a study, and what is lost: `python -m benchmarks.faults`, about five minutes.

Every case lets workers measure trials that take a moment each, breaks something, lets them finish, and counts: trials
that were asked for and are missing, architectures that were measured twice, trials that still run. All should be zero.
The cases `disk` and `network` need root, and Linux.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from autofi.store import StudyStore, TrialState, resolve_storage
from benchmarks.servers import Server, postgres
from benchmarks.trial_worker import STAGE, create

TRIALS = 60
SECONDS = 0.1
WORKERS = 4


#: Counts of trials, by what became of them.
Audit = dict[str, int]


class Crew:
    """Workers on one study; a command before theirs puts them elsewhere."""

    def __init__(self, url: str, *, most: int = TRIALS) -> None:
        self.url, self.most = url, most
        self.running: list[subprocess.Popen[str]] = []
        with StudyStore(resolve_storage(url)) as store:
            create(store).close()

    def join(self, *, before: tuple[str, ...] = (), count: int = 1) -> None:
        """So many workers more, which begin when all are ready."""
        command = [*before, sys.executable, "-m", "benchmarks.trial_worker", self.url]
        command += [f"--most={self.most}", f"--seconds={SECONDS}"]
        joined = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in range(count)
        ]
        for worker in joined:
            assert worker.stdin is not None and worker.stdout is not None
            worker.stdout.readline()
        for worker in joined:
            assert worker.stdin is not None
            worker.stdin.write("go\n")
            worker.stdin.flush()
        self.running += joined

    def kill(self, worker: subprocess.Popen[str]) -> None:
        worker.send_signal(signal.SIGKILL)
        worker.communicate()
        self.running.remove(worker)

    def finish(self) -> int:
        """Wait for all; how many ended with an error."""
        failed = 0
        for worker in self.running:
            worker.communicate()
            failed += worker.returncode != 0
        self.running.clear()
        return failed

    def done(self) -> int:
        """Trials that are complete by now."""
        with StudyStore(resolve_storage(self.url)) as store, store.open("shared") as study:
            return sum(trial.state is TrialState.COMPLETE for trial in study.trials())

    def audit(self) -> Audit:
        """Lost, doubled and stuck trials."""
        with StudyStore(resolve_storage(self.url)) as store, store.open("shared") as study:
            study.reap()
            trials = study.trials()
            complete = [trial.architecture_id for trial in trials if trial.state is TrialState.COMPLETE]
            return {
                "complete": len(complete),
                "lost": self.most - len(set(complete)),
                "doubled": len(complete) - len(set(complete)),
                "stuck": sum(trial.state is TrialState.RUNNING for trial in trials) + study.pending(STAGE),
                "taken over": sum("retry_of" in trial.attrs for trial in trials),
            }


def kill_workers(url: str, *, kills: int = 20) -> Audit:
    """Twenty workers, one after another, at random moments; each is replaced."""
    chance = random.Random(0)
    crew = Crew(url, most=3 * TRIALS)
    crew.join(count=WORKERS)
    for _ in range(kills):
        time.sleep(chance.uniform(0.0, 0.4))
        crew.kill(chance.choice(crew.running))
        crew.join()
    crew.finish()
    return crew.audit()


def on_sqlite(folder: Path) -> Audit:
    """kill -9 of a worker, 20 times at random moments, SQLite"""
    return kill_workers(f"sqlite:///{folder}/a.db")


def on_postgres(folder: Path) -> Audit:
    """kill -9 of a worker, 20 times at random moments, PostgreSQL"""
    with postgres(folder) as server:
        return kill_workers(server.url)


def server(folder: Path) -> Audit:
    """kill -9 of PostgreSQL, away for ten seconds, twice"""
    with postgres(folder) as running:
        crew = Crew(running.url, most=3 * TRIALS)
        crew.join(count=WORKERS)
        for _ in range(2):
            time.sleep(1.5)
            _restart(running, away=10)
        crew.finish()
        return crew.audit()


def dashboard(folder: Path) -> Audit:
    """kill -9 of the dashboard beside four workers, five times"""
    crew = Crew(f"sqlite:///{folder}/a.db")
    crew.join(count=WORKERS)
    for _ in range(5):
        shown = subprocess.Popen(
            [sys.executable, "-m", "autofi", "dashboard", "--port", "0", "--storage", crew.url],
            stderr=subprocess.DEVNULL,
        )
        time.sleep(3)
        shown.kill()
        shown.wait()
    crew.finish()
    return crew.audit()


def disk(folder: Path) -> Audit:
    """a disk that is full for ten seconds, SQLite"""
    room = folder / "disk"
    room.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "none", str(room)], check=True)
    try:
        crew = Crew(f"sqlite:///{room}/a.db")
        crew.join(count=WORKERS)
        time.sleep(1)
        filler = room / "filler"
        with contextlib.suppress(OSError), filler.open("wb") as file:
            while True:
                file.write(b"0" * 4096)
                file.flush()
        time.sleep(10)
        filler.unlink()
        crew.finish()
        return crew.audit()
    finally:
        subprocess.run(["umount", str(room)], check=True)


def network(folder: Path) -> Audit:
    """two hosts, the link of one cut for 20 s, PostgreSQL"""
    with _two_hosts() as (here, there, link), postgres(folder, host=here) as running:
        crew = Crew(running.url, most=3 * TRIALS)
        crew.join(count=2)
        crew.join(before=there, count=2)
        time.sleep(1.5)
        subprocess.run(["ip", "link", "set", link, "down"], check=True)
        time.sleep(20)
        subprocess.run(["ip", "link", "set", link, "up"], check=True)
        crew.finish()
        return crew.audit()


CASES: dict[str, Callable[[Path], Audit]] = {
    case.__name__: case for case in (on_sqlite, on_postgres, server, dashboard, disk, network)
}


def main(
    cases: Annotated[
        list[str] | None, typer.Argument(help=f"Some of {', '.join(CASES)}; all if none.")
    ] = None,
) -> None:
    """Print a line per case: trials that came out, and how many were lost, doubled, stuck and taken over."""
    table = Table("what broke", "trials", "lost", "doubled", "stuck", "taken over", "seconds")
    wrong = False
    for name in cases or CASES:
        begun = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="autofi-faults-") as folder:
            found = CASES[name](Path(folder))
        wrong = wrong or any(found[key] for key in ("lost", "doubled", "stuck"))
        table.add_row(CASES[name].__doc__, *map(str, found.values()), f"{time.monotonic() - begun:.0f}")
    Console(width=120).print(table)
    raise typer.Exit(int(wrong))


def _restart(server: Server, *, away: float) -> None:
    server.kill()
    time.sleep(away)
    server.start()


@contextlib.contextmanager
def _two_hosts() -> Iterator[tuple[str, tuple[str, ...], str]]:
    """This host's address, what runs a command on another one, and the name of the link between them."""
    name = f"autofi{os.getpid()}"
    here, there = f"va{os.getpid()}", f"vb{os.getpid()}"
    inside = ("ip", "netns", "exec", name)

    def run(*command: str) -> None:
        subprocess.run(command, check=True)

    run("ip", "netns", "add", name)
    try:
        run("ip", "link", "add", here, "type", "veth", "peer", "name", there)
        run("ip", "link", "set", there, "netns", name)
        run("ip", "addr", "add", "10.77.0.1/24", "dev", here)
        run("ip", "link", "set", here, "up")
        run(*inside, "ip", "addr", "add", "10.77.0.2/24", "dev", there)
        run(*inside, "ip", "link", "set", there, "up")
        run(*inside, "ip", "link", "set", "lo", "up")
        yield "10.77.0.1", inside, here
    finally:
        run("ip", "netns", "delete", name)
        subprocess.run(["ip", "link", "delete", here], check=False, capture_output=True)


if __name__ == "__main__":
    typer.run(main)
