"""The bundle as a model of MLflow: its `MLmodel` file, and what MLflow's Python function flavour calls."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from autofi import __version__

MLMODEL = "MLmodel"
REQUIREMENTS = "requirements.txt"


def write_mlmodel(folder: Path) -> None:
    """Write `MLmodel` and `requirements.txt`, with which `mlflow.pyfunc.load_model(folder)` works.

    Without a signature: with one MLflow would refuse an id that is a number in one table and a text in another.
    """
    flavor = {
        "loader_module": __name__,
        "python_version": platform.python_version(),
        "env": {"virtualenv": "python_env.yaml"},
    }
    document: Mapping[str, Any] = {"flavors": {"python_function": flavor}}
    (folder / MLMODEL).write_text(yaml.safe_dump(document), encoding="utf-8")
    (folder / REQUIREMENTS).write_text(f"autofi[serve]=={__version__}\n", encoding="utf-8")
    environment = {
        "python": platform.python_version(),
        "dependencies": [f"-r {REQUIREMENTS}"],
    }
    (folder / "python_env.yaml").write_text(yaml.safe_dump(environment), encoding="utf-8")


class PythonFunction:
    """A predictor as MLflow calls it."""

    def __init__(self, folder: str) -> None:
        from autofi.bundle.load import load

        self._predictor = load(folder)

    def predict(self, rows: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Return the probability of a click in every row of a frame, float64 `[N]`; there are no params."""
        return self._predictor.predict_proba(rows)


def _load_pyfunc(path: str) -> PythonFunction:
    """What MLflow calls by this name; `path` is the bundle's folder."""
    return PythonFunction(path)
