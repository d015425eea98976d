"""The extras of AutoFI and the modules that each installs: scoring needs none of the modules of a search."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from autofi.errors import MissingDependencyError

#: Modules that only an extra installs, by the name of the extra.
MODULES_OF = {
    "search": (
        "alembic",
        "cmaes",
        "jinja2",
        "joblib",
        "lightgbm",
        "numba",
        "onnx",
        "onnx_ir",
        "onnxscript",
        "optuna",
        "pandas",
        "plotly",
        "safetensors",
        "scipy",
        "sklearn",
        "spox",
        "sqlalchemy",
        "torch",
    ),
    "dashboard": ("bottle", "optuna_dashboard"),
    "serve": ("fastapi", "onnxruntime", "prometheus_client", "uvicorn"),
}


@contextmanager
def extras_named() -> Iterator[None]:
    """Turn a failed import of a module that only an extra installs into an error that names the extra.

    Raises:
        MissingDependencyError: An extra is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        for extra, modules in MODULES_OF.items():
            # A module that is there but lacks a part of its own is broken, and keeps its traceback.
            if error.name in modules:
                raise MissingDependencyError(
                    f"The extra '{extra}' is not installed (no module '{error.name}'); "
                    f"install it by pip install 'autofi[{extra}]'."
                ) from error
        raise
