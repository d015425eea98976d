"""An interpreter with NNI: the one that AUTOFI_NNI_PYTHON names, or an environment that is made once and kept.

It takes half a gigabyte, and half a minute to make.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.environments import kept_environment

NAMED = os.environ.get("AUTOFI_NNI_PYTHON")


@pytest.fixture(scope="session")
def nni_python() -> Path:
    if NAMED:
        return Path(NAMED)
    try:
        return kept_environment("nni-3.0", "nni==3.0", "hyperopt==0.3.0")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"NNI cannot be installed here: {(error.stderr or '').strip().splitlines()[-1:]}")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder for NNI, which keeps a list of its experiments there."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    return tmp_path / "home"
