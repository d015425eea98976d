"""LightGBM, loaded when it is first needed, and its parameters wherever it grows trees."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from autofi.errors import MissingDependencyError

#: Parameters of LightGBM wherever it grows trees.
LIGHTGBM: Mapping[str, Any] = {
    "objective": "binary",
    # Sampled rows and columns are a little better than all of them, and make seeds differ.
    "feature_fraction": 0.8,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    # Without both, histograms are summed in an order that depends on timing, and results differ from run to run.
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}


def lightgbm_library() -> Any:
    """Return the module `lightgbm`.

    Raises:
        MissingDependencyError: It cannot be loaded.
    """
    try:
        return importlib.import_module("lightgbm")
    except (ImportError, OSError) as error:
        reason = " ".join(str(error).split())
        raise MissingDependencyError(
            f"LightGBM, which grows the boosted trees, cannot be loaded ({reason}); install lightgbm, and on Linux "
            "libgomp, or leave 'boosting' out of the search space."
        ) from error
