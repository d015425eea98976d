"""Studies in a SQL database: Optuna's tables for trials, a few of ours beside them, a folder of artifacts per study."""

from __future__ import annotations

import lazy_loader

# Imported on first use: Optuna takes a second, and a storage's URL and the names in it are read without it.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
