"""What breaks while workers share a study, and what is lost: `python -m benchmarks.faults`, about five minutes.

Every case lets workers measure trials that take a moment each, breaks something, lets them finish, and counts: trials
that were asked for and are missing, architectures that were measured twice, trials that still run. All should be zero.
The cases `disk` and `network` need root, and Linux.
"""

from __future__ import annotations

import contextlib
import os
import random
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

from benchmarks.crew import Audit, LocalWorkers
from benchmarks.servers import Server, postgres

TRIALS = 60
SECONDS = 0.1
WORKERS = 4


def kill_workers(url: str, *, kills: int = 20) -> Audit:
    """Twenty workers, one after another, at random moments; each is replaced."""
    chance = random.Random(0)
    crew = LocalWorkers(url, most=3 * TRIALS, seconds=SECONDS)
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
        crew = LocalWorkers(running.url, most=3 * TRIALS, seconds=SECONDS)
        crew.join(count=WORKERS)
        for _ in range(2):
            time.sleep(1.5)
            _restart(running, away=10)
        crew.finish()
        return crew.audit()


def dashboard(folder: Path) -> Audit:
    """kill -9 of the dashboard beside four workers, five times"""
    crew = LocalWorkers(f"sqlite:///{folder}/a.db", most=TRIALS, seconds=SECONDS)
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
        crew = LocalWorkers(f"sqlite:///{room}/a.db", most=TRIALS, seconds=SECONDS)
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
        crew = LocalWorkers(running.url, most=3 * TRIALS, seconds=SECONDS)
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
