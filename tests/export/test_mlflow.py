"""A bundle is a model of MLflow as it lies there: MLflow itself loads it, keeps it and gives its probabilities."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from autofi.bundle.load import load
from tests.export.make_version_asset import kept_rows, make_rows, release

# MLflow's own tables ask for a way of loading that SQLAlchemy 2.1 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")

#: The id of the last row is missing, that of the one before unseen.
ROWS: pa.Table = kept_rows(make_rows()).drop_columns(["click"])


@pytest.fixture(scope="module")
def mlflow() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")  # read once, when it is imported
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its own type hints
            import mlflow
            import mlflow.pyfunc
        yield mlflow


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("released") / "model"
    release(folder)
    return folder


def frames() -> dict[str, pd.DataFrame]:
    """The same rows with ids as pandas reads them from one file or another."""
    ids = ROWS["id"].to_pylist()
    rest = ROWS.to_pandas()
    return {
        "numbers with a missing one": rest.assign(id=pd.array(ids, dtype="Int64")),
        "numbers made floats by the missing one": rest.assign(id=np.array(ids, dtype=float)),
        "texts": rest.assign(id=[None if value is None else str(value) for value in ids]),
        "other columns besides, in another order": rest[rest.columns[::-1]].assign(another=1),
    }


@pytest.mark.parametrize("kind", frames())
def test_it_predicts_a_frame_as_the_predictor_does(mlflow: Any, bundle: Path, kind: str) -> None:
    found = mlflow.pyfunc.load_model(str(bundle)).predict(frames()[kind])
    expected = load(bundle, runtime="torch").predict_proba(ROWS)
    assert found.dtype == np.float64 and np.std(expected) > 0.05
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_one_id_may_be_a_number_today_and_a_text_tomorrow(mlflow: Any, bundle: Path) -> None:
    model = mlflow.pyfunc.load_model(str(bundle))
    whole = frames()["texts"].iloc[:20]
    as_numbers = model.predict(whole.assign(id=whole["id"].astype(int)))
    np.testing.assert_array_equal(as_numbers, model.predict(whole))


def test_a_run_keeps_it_and_the_registry_finds_it(
    mlflow: Any, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    before = sorted(path.name for path in bundle.iterdir())
    with mlflow.start_run() as run:
        mlflow.log_artifacts(str(bundle), "model")
    kept = f"runs:/{run.info.run_id}/model"
    version = mlflow.register_model(kept, "clicks").version
    expected = load(bundle).predict_proba(ROWS)
    for place in (kept, f"models:/clicks/{version}"):
        found = mlflow.pyfunc.load_model(place).predict(ROWS.to_pandas())
        np.testing.assert_array_equal(found, expected)
    assert sorted(path.name for path in bundle.iterdir()) == before


def test_it_holds_no_pickle(bundle: Path) -> None:
    contents = {}
    for path in bundle.rglob("*"):
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                contents |= {f"{path.name}/{name}": archive.read(name) for name in archive.namelist()}
        elif path.is_file():
            contents[path.name] = path.read_bytes()
    assert {"model.onnx", "MLmodel", "weights.safetensors"} < contents.keys()
    assert any(name.startswith("model.pt2/") for name in contents)
    # A pickle begins with its protocol and ends with the operation STOP.
    pickles = [
        name for name, content in contents.items() if content[:1] == b"\x80" and content.endswith(b".")
    ]
    assert pickles == []
