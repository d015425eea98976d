"""A model with every operator, and the bundle of it."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import onnx
import pytest

from autofi.bundle.bundle import Bundle, load_bundle
from autofi.bundle.network_reads import example_features, reads_of
from autofi.bundle.torch_program import Scoring, export_program, inputs_of, onnx_program
from autofi.export.export import export_bundle
from autofi.export.onnx_opset import OPSET
from tests.export.models import Model, make_model
from tests.once import once_per_run


@pytest.fixture(scope="session")
def model() -> Model:
    return make_model()


@pytest.fixture(scope="session")
def written(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that no test changes."""
    return once_per_run(tmp_path_factory, "written", model.write)


@pytest.fixture(scope="session")
def released(written: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model in every form; no test changes it."""
    return once_per_run(tmp_path_factory, "released", partial(export_bundle, written))


@pytest.fixture
def bundle(written: Path, tmp_path: Path) -> Path:
    """A bundle of the test's own."""
    return Path(shutil.copytree(written, tmp_path / "model"))


@pytest.fixture(scope="session")
def loaded(written: Path) -> Bundle:
    return load_bundle(written)


@pytest.fixture(scope="session")
def exported(loaded: Bundle) -> onnx.ModelProto:
    """Its network alone, features to probability, as ONNX."""
    features = inputs_of(example_features(loaded.builder), reads_of(loaded.network, loaded.builder))
    program = export_program(Scoring(loaded.network, loaded.builder), features)
    found: onnx.ModelProto = onnx_program(program, features, OPSET)
    return found
