"""Environments of a test's own: kept in ~/.cache/autofi-tests, or new ones that see the packages of this one."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import sysconfig
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


def environment_beside(folder: Path, *install: str | Path) -> Path:
    """Make a new environment in `folder` that sees the packages of this one; return its interpreter.

    What `pip install` makes of these words comes before the packages of this environment. AutoFI itself is not seen if
    it is installed here as editable. Raises CalledProcessError, with pip's words in `stderr`.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", "--clear", folder], check=True)
    python = folder / "bin" / "python"
    own = folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    (own / "beside.pth").write_text(f"{sysconfig.get_paths()['purelib']}\n")
    command = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "--quiet",
        "--no-compile",
        *install,
    ]
    subprocess.run(command, capture_output=True, text=True, check=True)
    return python
