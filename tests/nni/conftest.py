"""An interpreter with NNI: the one that AUTOFI_NNI_PYTHON names, or an environment that is made once and kept.

It lies in ~/.cache/autofi-tests, takes half a gigabyte, and half a minute to make.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

NAMED = os.environ.get("AUTOFI_NNI_PYTHON")
#: Read now: tests give NNI, which keeps a list of its experiments there, a home of its own.
KEPT = (
    Path.home()
    / ".cache"
    / "autofi-tests"
    / f"nni-3.0-python{sys.version_info.major}.{sys.version_info.minor}"
)


@pytest.fixture(scope="session")
def nni_python() -> Path:
    if NAMED:
        return Path(NAMED)
    python, finished = KEPT / "bin" / "python", KEPT / "finished"
    KEPT.parent.mkdir(parents=True, exist_ok=True)
    # Two workers of pytest must not make it at once.
    with KEPT.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not finished.exists():
            subprocess.run([sys.executable, "-m", "venv", "--clear", KEPT], check=True)
            # Compiled, or each tuner would take ten seconds to begin, wherever bytecode is not kept.
            install = [
                str(python),
                "-m",
                "pip",
                "install",
                "--quiet",
                "--compile",
                "nni==3.0",
                "hyperopt==0.3.0",
            ]
            made = subprocess.run(install, capture_output=True, text=True, check=False)
            if made.returncode:
                pytest.skip(f"NNI cannot be installed here: {made.stderr.strip().splitlines()[-1:]}")
            finished.touch()
    return python


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder for NNI, which keeps a list of its experiments there."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    return tmp_path / "home"
