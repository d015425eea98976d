"""Bundles that no test changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from autofi.space.head_config import HeadSizes
from tests.explanation.models import ObservedTrial, make
from tests.export.models import Model, make_model

ARM = {"exponential_neurons": {"heads": 2, "neurons": 3, "alpha": 2.0, "hidden": (6,)}}


@pytest.fixture(scope="session")
def additive(tmp_path_factory: pytest.TempPathFactory) -> ObservedTrial:
    """A linear head and nothing beside it."""
    return make(tmp_path_factory.mktemp("additive") / "model")


@pytest.fixture(scope="session")
def attentive(tmp_path_factory: pytest.TempPathFactory) -> ObservedTrial:
    """ARM-Net beside an ensemble of MLPs."""
    head = HeadSizes(name="mlp", hidden=(8, 4), ensemble=2)
    return make(tmp_path_factory.mktemp("attentive") / "model", head=head, streams=ARM)


@pytest.fixture(scope="session")
def every_operator() -> Model:
    return make_model()


@pytest.fixture(scope="session")
def every_operator_bundle(every_operator: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every operator, several streams, boosted trees."""
    folder = tmp_path_factory.mktemp("every") / "model"
    every_operator.write(folder)
    return folder
