"""AutoFI searches which feature interactions a click model should memorize, factorize or leave out.

    table ─► data ─► space (operators) ─► model / supernet ─► search ⇄ evaluation ─► store (SQL)
                                                                 └─► retrain ─► export ─► predict

`search` runs all of it; `compare` trains known models side by side; `open_study` looks at what was kept; `load` scores
rows with what was exported, `explain` says why.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from autofi.extras import extras_named

if TYPE_CHECKING:
    from autofi.catalog import list_operators, list_spaces
    from autofi.checking import check_table
    from autofi.classifier import AutoFIClassifier
    from autofi.comparison import compare
    from autofi.dashboard import open_dashboard
    from autofi.data.overrides import SchemaOverrides, load_overrides
    from autofi.errors import AutoFIError
    from autofi.explaining.explain import explain
    from autofi.explaining.explanation_file import explain_file
    from autofi.export.loading import load
    from autofi.export.predictor import Predictor
    from autofi.export.skew import SkewWarning
    from autofi.loop import search
    from autofi.nni.bridge import nni_space
    from autofi.opening import inspect_table
    from autofi.progress import RichProgress
    from autofi.serving import serve
    from autofi.store import delete_study, list_studies, rename_study
    from autofi.study import Study, open_study
    from autofi.worker import work

__version__ = "0.1.0"

_WHERE = {
    "AutoFIClassifier": "classifier",
    "AutoFIError": "errors",
    "Predictor": "export.predictor",
    "RichProgress": "progress",
    "SchemaOverrides": "data.overrides",
    "SkewWarning": "export.skew",
    "Study": "study",
    "check_table": "checking",
    "compare": "comparison",
    "delete_study": "store",
    "explain": "explaining.explain",
    "explain_file": "explaining.explanation_file",
    "inspect_table": "opening",
    "list_operators": "catalog",
    "list_spaces": "catalog",
    "list_studies": "store",
    "load": "export.loading",
    "load_overrides": "data.overrides",
    "nni_space": "nni.bridge",
    "open_dashboard": "dashboard",
    "open_study": "study",
    "rename_study": "store",
    "search": "loop",
    "serve": "serving",
    "work": "worker",
}

__all__ = [
    "AutoFIClassifier",
    "AutoFIError",
    "Predictor",
    "RichProgress",
    "SchemaOverrides",
    "SkewWarning",
    "Study",
    "check_table",
    "compare",
    "delete_study",
    "explain",
    "explain_file",
    "inspect_table",
    "list_operators",
    "list_spaces",
    "list_studies",
    "load",
    "load_overrides",
    "nni_space",
    "open_dashboard",
    "open_study",
    "rename_study",
    "search",
    "serve",
    "work",
]


def __getattr__(name: str) -> Any:
    # Imported when first used: torch alone takes seconds, and `autofi --help` needs none of it.
    if name not in _WHERE:
        raise AttributeError(f"module 'autofi' has no attribute '{name}'")
    with extras_named():
        value = getattr(importlib.import_module(f"autofi.{_WHERE[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
