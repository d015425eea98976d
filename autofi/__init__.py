"""AutoFI searches which feature interactions a click model should memorize, factorize or leave out::

    table ─► data ─► space (operators) ─► model / supernet ─► search ⇄ evaluation ─► store (SQL)
                                                                 └─► retrain ─► export ─► predict

`search` runs all of it; `compare` trains known models side by side; `open_study` looks at what was kept; `load` scores
rows with what was exported, `explain` says why.
"""

from __future__ import annotations

from typing import Any

import lazy_loader

from autofi.core.optional_dependencies import extras_named

__version__ = "0.1.0"


# Imported when first used: torch alone takes seconds, and `autofi --help` needs none of it.
_import_public, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    with extras_named():
        return _import_public(name)
