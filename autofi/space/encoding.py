"""The parameters of a space as Optuna sees them: distributions, and labels for values that are not scalars."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from autofi.space.architecture import Forms
from autofi.space.choices import Choices, FloatRange, default_of, label
from autofi.space.search_space import SearchSpace


def distributions(space: SearchSpace, variants: Mapping[str, tuple[str, ...]]) -> dict[str, BaseDistribution]:
    """One distribution per parameter of the space, and per named variant with more than one value."""
    found: dict[str, BaseDistribution] = {}
    for key, value in space.parameters().items():
        if isinstance(value, FloatRange):
            found[key] = FloatDistribution(value.low, value.high, log=value.log)
        else:
            found[key] = CategoricalDistribution([label(choice) for choice in value.choices])
    for key, names in variants.items():
        if len(names) > 1:
            found[key] = CategoricalDistribution(list(names))
    return found


def defaults(space: SearchSpace, variants: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    """What is proposed first."""
    found = {key: label(default_of(value)) for key, value in space.parameters().items()}
    return found | {key: names[0] for key, names in variants.items() if len(names) > 1}


def decode(space: SearchSpace, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Labels back to the values they stand for; variants are left out."""
    found: dict[str, Any] = {}
    for key, value in space.parameters().items():
        if key not in parameters:
            continue
        if isinstance(value, Choices):
            found[key] = next(choice for choice in value.choices if label(choice) == parameters[key])
        else:
            found[key] = parameters[key]
    return found


def forms_label(forms: Forms) -> str:
    """An option of a field or a pair for Optuna and for people: its operators, or naive."""
    return "+".join(forms) or "naive"
