"""Environments of other libraries, which pin versions of their own."""

from __future__ import annotations

import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

TORCH = "torch==2.13.0"
FUXICTR = (TORCH, "polars<2", "pyarrow", "tqdm", "scikit-learn", "h5py", "fuxictr==2.3.10")
ENVIRONMENTS = Path(".benchmarks")
ENVIRONMENT = ENVIRONMENTS / "fuxictr"


def peer_python(folder: Path, packages: Sequence[str] = FUXICTR) -> Path:
    """Return the interpreter of an environment, made where it is not there, and filled where its last package is not.

    Raises:
        subprocess.CalledProcessError: pip refuses; its last lines are in `stderr`.
    """
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    if not _installed(python, packages[-1]):
        # torch first and by itself, so that no other package asks for a build with CUDA.
        for chosen in (packages[:1], packages):
            command = [str(python), "-m", "pip", "install", "--quiet", *chosen]
            subprocess.run(command, check=True, stdout=sys.stderr, stderr=subprocess.PIPE, text=True)
    return python


def _installed(python: Path, package: str) -> bool:
    code = "import sys; from importlib.metadata import version; version(sys.argv[1])"
    name = package.partition("[")[0].partition("=")[0].partition("<")[0]
    return subprocess.run([python, "-c", code, name], capture_output=True).returncode == 0
