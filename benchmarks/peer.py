"""FuxiCTR's own environment."""

from __future__ import annotations

import subprocess
import venv
from pathlib import Path

PEER_PACKAGES = ("torch==2.13.0", "fuxictr==2.3.10", "polars<2", "pyarrow", "tqdm", "scikit-learn", "h5py")
ENVIRONMENT = Path(".benchmarks/fuxictr")


def peer_python(folder: Path) -> Path:
    """The interpreter of FuxiCTR's environment, made and filled where it is not there."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        # torch first and by itself, so that no other package asks for a build with CUDA.
        for packages in (PEER_PACKAGES[:1], PEER_PACKAGES[1:]):
            subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
    return python
