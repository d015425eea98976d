"""Environments of a test's own, made once and kept in ~/.cache/autofi-tests."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path

#: Read now: tests of NNI, which keeps a list of its experiments there, have a home of their own.
KEPT = Path.home() / ".cache" / "autofi-tests"


def kept_environment(name: str, *install: str) -> Path:
    """The interpreter of an environment that has what `pip install` makes of these words.

    `name` tells what is in it: under another name another one is made. Raises CalledProcessError, with pip's words in
    `stderr`, where it cannot be installed.
    """
    folder = KEPT / f"{name}-python{sys.version_info.major}.{sys.version_info.minor}"
    python, finished = folder / "bin" / "python", folder / "finished"
    KEPT.mkdir(parents=True, exist_ok=True)
    # Two workers of pytest must not make it at once.
    with (KEPT / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not finished.exists():
            subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
            # Compiled, or every process would take long to begin wherever bytecode is not kept.
            command = [python, "-m", "pip", "install", "--quiet", "--compile", *install]
            subprocess.run(command, capture_output=True, text=True, check=True)
            finished.touch()
    return python
