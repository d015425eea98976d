"""Which extra of AutoFI an import asks for: scoring by ONNX Runtime needs none of what a search needs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from autofi.errors import MissingDependencyError

#: Modules that only an extra installs, by its name.
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
    """Makes MissingDependencyError, which tells the extra, of an import of what only an extra installs."""
    try:
        yield
    except ModuleNotFoundError as error:
        for extra, modules in MODULES_OF.items():
            # The module itself: one that lacks a part of its own is broken, and keeps its traceback.
            if error.name in modules:
                raise MissingDependencyError(
                    f"This needs the extra '{extra}', which is not installed (no module '{error.name}'): "
                    f"pip install 'autofi[{extra}]'."
                ) from error
        raise
