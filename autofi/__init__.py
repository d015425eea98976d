"""AutoFI searches which feature interactions a click model should memorize, factorize or leave out::

    table ─► data ─► space (operators) ─► model / supernet ─► search ⇄ evaluation ─► store (SQL)
                                                                 └─► retrain ─► export ─► predict

`search` runs all of it; `compare` trains known models side by side; `open_study` looks at what was kept; `load` scores
rows with what was exported, `explain` says why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autofi.core.lazy_names import lazy_name
from autofi.core.optional_dependencies import extras_named

if TYPE_CHECKING:
    from autofi.api.compare import compare
    from autofi.api.search import search
    from autofi.api.work import work
    from autofi.bundle.load import load
    from autofi.bundle.predictor import Predictor
    from autofi.bundle.skew import SkewWarning
    from autofi.checks.table import check_table
    from autofi.classifier import AutoFIClassifier
    from autofi.core.progress import RichProgress
    from autofi.dashboard import open_dashboard
    from autofi.data.load import inspect_table
    from autofi.data.schema_overrides import SchemaOverrides, load_overrides
    from autofi.errors import AutoFIError
    from autofi.explanation.explain import explain
    from autofi.explanation.explanation_file import explain_file
    from autofi.nni.search_space_document import nni_space
    from autofi.serving import serve
    from autofi.space.catalog import list_operators, list_spaces
    from autofi.store import delete_study, list_studies, rename_study
    from autofi.study.study import Study, open_study

__version__ = "0.1.0"

_WHERE = {
    "AutoFIClassifier": "classifier",
    "AutoFIError": "errors",
    "Predictor": "bundle.predictor",
    "RichProgress": "core.progress",
    "SchemaOverrides": "data.schema_overrides",
    "SkewWarning": "bundle.skew",
    "Study": "study.study",
    "check_table": "checks.table",
    "compare": "api.compare",
    "delete_study": "store",
    "explain": "explanation.explain",
    "explain_file": "explanation.explanation_file",
    "inspect_table": "data.load",
    "list_operators": "space.catalog",
    "list_spaces": "space.catalog",
    "list_studies": "store",
    "load": "bundle.load",
    "load_overrides": "data.schema_overrides",
    "nni_space": "nni.search_space_document",
    "open_dashboard": "dashboard",
    "open_study": "study.study",
    "rename_study": "store",
    "search": "api.search",
    "serve": "serving",
    "work": "api.work",
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
    with extras_named():
        return lazy_name(__name__, _WHERE, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
