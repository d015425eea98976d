"""A model with every kind of field and operator, and a server of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

import autofi
from autofi import Predictor
from autofi.serving.app import create_app
from autofi.serving.limits import Limits
from autofi.serving.served_model import ServedModel
from tests.export.models import make_model
from tests.serving.servers import running

LIMITS = Limits(rows=200, body_bytes=100_000)


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served") / "ctr"
    make_model().write(folder, profiled=True)
    return folder


@pytest.fixture(scope="session")
def predictor(bundle: Path) -> Predictor:
    return autofi.load(bundle)


@pytest.fixture(scope="session")
def served(predictor: Predictor) -> ServedModel:
    return ServedModel.of(predictor, "ctr")


@pytest.fixture(scope="session")
def client(served: ServedModel) -> Iterator[httpx.Client]:
    with running(create_app(served, LIMITS)) as client:
        yield client
