"""A model with every operator, and the bundle of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.export.models import Model, make_model


@pytest.fixture(scope="session")
def model() -> Model:
    return make_model()


@pytest.fixture(scope="session")
def written(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that no test changes."""
    folder = tmp_path_factory.mktemp("written") / "model"
    model.write(folder)
    return folder


@pytest.fixture
def bundle(written: Path, tmp_path: Path) -> Path:
    """A bundle of the test's own."""
    return Path(shutil.copytree(written, tmp_path / "model"))
