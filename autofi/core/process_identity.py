"""Tells whether a process still lives, even when its number was given to another one since."""

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

    `place` names the set of processes in which `pid` means something (a boot of a machine, a container);
    it is empty where a process' start time cannot be read, and then nothing can be said about `pid`.
    """

    host: str
    place: str
    pid: int
    started: str


def current_process() -> ProcessIdentity:
    """The identity of this process."""
    pid = os.getpid()
    started = start_time(pid)
    place = _place() if started is not None else ""
    return ProcessIdentity(host=platform.node()[:255], place=place[:128], pid=pid, started=started or "")


def start_time(pid: int) -> str | None:
    """When `pid` began, comparable only for equality; None when no such process runs."""
    if sys.platform == "win32":
        return None
    if Path("/proc/self/stat").exists():
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return None
        # The name, in parentheses, may hold anything; state is field 3, the start in clock ticks field 22.
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
