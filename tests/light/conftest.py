"""What `pip install 'autofi[serve]'` comes to: ONNX Runtime, and nothing that a search needs."""

from __future__ import annotations

import os
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import xxhash

from tests.environments import kept_environment

TOP = Path(__file__).resolve().parents[2]
CONSTRAINTS = TOP / "constraints.txt"
Run = Callable[..., CompletedProcess[str]]


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Runs the interpreter of such an environment on AutoFI's wheel, in a folder with nothing of this checkout.

    The packages are kept, as long as what is asked for stays the same; AutoFI itself is installed anew beside them.
    """
    project = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
    needed = "\n".join([*project["dependencies"], *project["optional-dependencies"]["serve"]])
    asked = xxhash.xxh3_64_hexdigest(needed.encode() + CONSTRAINTS.read_bytes())
    python = kept_environment(f"serve-{asked}", "--constraint", str(CONSTRAINTS), f"{TOP}[serve]")
    wheel = tmp_path_factory.mktemp("wheel")
    install = [python, "-m", "pip", "install", "--quiet", "--no-deps", "--target", wheel, TOP]
    subprocess.run(install, capture_output=True, text=True, check=True)
    environment = {**os.environ, "PYTHONPATH": str(wheel)}
    folder = tmp_path_factory.mktemp("elsewhere")

    def run(*words: str | Path) -> CompletedProcess[str]:
        return subprocess.run(
            [python, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )

    return run
