"""The bundle as an MLflow model: its `MLmodel` file, and the functions of MLflow's Python function flavour."""

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
    """Write `MLmodel` and `requirements.txt`, so that `mlflow.pyfunc.load_model(folder)` works.

    There is no signature, because with one MLflow would refuse an id that is a number in one table and text in
    another.
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
    """A predictor with the interface that MLflow calls."""

    def __init__(self, folder: str) -> None:
        from autofi.bundle.load import load

        self._predictor = load(folder)

    def predict(self, rows: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Return the probability of a click in every row of a frame, float64 `[N]`; `params` is not used."""
        return self._predictor.predict_proba(rows)


def _load_pyfunc(path: str) -> PythonFunction:
    """Return the model in a bundle's folder; MLflow calls this function by its name."""
    return PythonFunction(path)
