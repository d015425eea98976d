"""Parameters as Optuna and as NNI write them down: distributions here, a search space document there.

NNI's format: https://nni.readthedocs.io/en/v3.0/hpo/search_space.html. Of its types those are written that a space of
ours can have; a whole number is `randint`, whose upper end NNI leaves out.
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
    """The search space document of some parameters; raises SearchSpaceError for one that NNI has no type for."""
    return {name: _entry(name, found) for name, found in parameters.items()}


def nni_space(space: str | Path = "default") -> Document:
    """The search space document of a space by its name or file, for an experiment of NNI of one's own.

    Of the fields, pairs and products of a table it has nothing: what is offered of them is known when the supernet has
    been trained.
    """
    return to_document(distributions(load_space(space), {}))


def from_nni(proposed: Mapping[str, Any], parameters: Mapping[str, BaseDistribution]) -> dict[str, Any]:
    """What a tuner of NNI proposes, as values of the distributions: numbers that rounding put outside are moved in."""
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
        f"NNI has choices, ranges, and whole numbers without step or logarithm: '{name}' is {found}; list its values "
        "as choices."
    )


def _value(value: Any, found: BaseDistribution) -> Any:
    if isinstance(found, CategoricalDistribution):
        # True equals 1, which is another choice; 1.0 comes back as 1 from NNI's manager, and is the same.
        truth = isinstance(value, bool)
        return next(
            choice for choice in found.choices if choice == value and isinstance(choice, bool) == truth
        )
    assert isinstance(found, FloatDistribution | IntDistribution)
    inside = min(max(value, found.low), found.high)
    return int(inside) if isinstance(found, IntDistribution) else float(inside)
