"""The identity of a process, which tells it from a later one with the same process id."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ProcessIdentity:
    """A process that no later one can be mistaken for.

    Attributes:
        host: Name of the machine.
        place: The boot of a machine or the container in which `pid` is unique; empty if the start time of a process
            cannot be read, and then nothing is known about `pid`.
        pid: Process id.
        started: Start time, comparable only for equality.
    """

    host: str
    place: str
    pid: int
    started: str


def current_process() -> ProcessIdentity:
    """Return the identity of this process."""
    pid = os.getpid()
    started = start_time(pid)
    place = _place() if started is not None else ""
    return ProcessIdentity(host=platform.node()[:255], place=place[:128], pid=pid, started=started or "")


def start_time(pid: int) -> str | None:
    """Return the start time of process `pid`, comparable only for equality, or None if no such process runs."""
    if sys.platform == "win32":
        return None
    if Path("/proc/self/stat").exists():
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return None
        # The name, in parentheses, may contain anything. The state is field 3, the start in clock ticks field 22.
        fields = stat.rpartition(")")[2].split()
        return None if fields[0] in "ZX" else fields[19]
    answer = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return answer.stdout.strip() or None


def _place() -> str:
    boot, namespace = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    if boot.exists() and namespace.exists():
        return f"{boot.read_text().strip()} {os.readlink(namespace)}"
    return platform.node()
