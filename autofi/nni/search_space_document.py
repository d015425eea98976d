"""Conversion of parameters between Optuna's distributions and NNI's search space document.

NNI's format: https://nni.readthedocs.io/en/v3.0/hpo/search_space.html. Only the types that a space of AutoFI can have
are written; a whole number is `randint`, whose upper end is exclusive in NNI.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from autofi.errors import SearchSpaceError
from autofi.space.load import load_space
from autofi.space.optuna_distributions import distributions

Document = dict[str, dict[str, Any]]


def to_document(parameters: Mapping[str, BaseDistribution]) -> Document:
    """Return the search space document of some parameters.

    Raises:
        SearchSpaceError: NNI has no type for a parameter.
    """
    return {name: _entry(name, found) for name, found in parameters.items()}


def nni_space(space: str | Path = "default") -> Document:
    """Return the search space document of a space by its name or file, for a user's own NNI experiment.

    It has no fields, pairs and products of a table: their options are known only after the supernet has been trained.
    """
    return to_document(distributions(load_space(space), {}))


def from_nni(proposed: Mapping[str, Any], parameters: Mapping[str, BaseDistribution]) -> dict[str, Any]:
    """Return a proposal of an NNI tuner as values of the distributions; rounded numbers are moved into range."""
    return {name: _value(proposed[name], found) for name, found in parameters.items()}


def _entry(name: str, found: BaseDistribution) -> dict[str, Any]:
    match found:
        case CategoricalDistribution():
            return {"_type": "choice", "_value": list(found.choices)}
        case FloatDistribution(step=None):
            return {"_type": "loguniform" if found.log else "uniform", "_value": [found.low, found.high]}
        case IntDistribution(step=1, log=False):
            return {"_type": "randint", "_value": [found.low, found.high + 1]}
    raise SearchSpaceError(
        f"'{name}' is {found}, but NNI has choices, ranges, and whole numbers without step or logarithm; list its "
        "values as choices."
    )


def _value(value: Any, found: BaseDistribution) -> Any:
    if isinstance(found, CategoricalDistribution):
        # True equals 1, which is another choice; 1.0 comes back as 1 from NNI's manager, and is the same choice.
        truth = isinstance(value, bool)
        return next(
            choice for choice in found.choices if choice == value and isinstance(choice, bool) == truth
        )
    assert isinstance(found, FloatDistribution | IntDistribution)
    inside = min(max(value, found.low), found.high)
    return int(inside) if isinstance(found, IntDistribution) else float(inside)
