"""FuxiCTR's own environment, and worker processes that either side of a benchmark runs in."""

from __future__ import annotations

import json
import os
import subprocess
import venv
from pathlib import Path
from typing import Any

PEER_PACKAGES = ("torch==2.13.0", "fuxictr==2.3.10", "polars<2", "pyarrow", "tqdm", "scikit-learn", "h5py")
ENVIRONMENT = Path(".benchmarks/fuxictr")
WORKERS = Path(__file__).parent / "workers"


class Worker:
    """A process that answers one request at a time."""

    def __init__(self, command: list[str], cores: set[int]) -> None:
        threads = {f"{name}_NUM_THREADS": str(len(cores)) for name in ("OMP", "MKL", "NUMBA")}
        self.command = command
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **threads},
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )

    def ask(self, **request: Any) -> dict[str, Any]:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"A worker ended: {' '.join(self.command)}")
        found: dict[str, Any] = json.loads(answer)
        return found

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def peer_python(folder: Path) -> Path:
    """The interpreter of FuxiCTR's environment, made and filled where it is not there."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        # torch first and by itself, so that no other package asks for a build with CUDA.
        for packages in (PEER_PACKAGES[:1], PEER_PACKAGES[1:]):
            subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
    return python
