"""Samplers by name: registering a class is enough for it to be offered, tested and documented."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import Any, TypeVar

from autofi import engine
from autofi.engine.base import Question, Sampler
from autofi.errors import ConfigError, nearest

DEFAULT_SAMPLER = "tpe"

_KNOWN: dict[str, type[Sampler]] = {}
Registered = TypeVar("Registered", bound=type[Sampler])


def register(sampler: Registered) -> Registered:
    """Class decorator: make the sampler known under its `name`."""
    assert _KNOWN.get(sampler.name, sampler).__qualname__ == sampler.__qualname__, sampler.name
    _KNOWN[sampler.name] = sampler
    return sampler


@cache
def samplers() -> dict[str, type[Sampler]]:
    """Every registered sampler by name, in alphabetical order."""
    for module in pkgutil.iter_modules(engine.__path__):
        importlib.import_module(f"{engine.__name__}.{module.name}")
    return dict(sorted(_KNOWN.items()))


def get_sampler(name: str) -> Sampler:
    """The sampler of that name; raises ConfigError with the nearest one."""
    if name not in samplers():
        raise ConfigError(f"No sampler named '{name}': {nearest(name, samplers())}")
    return samplers()[name]()


def check_sampler(name: str, question: Question) -> None:
    """Raise ConfigError where the sampler cannot answer such questions."""
    refusal = get_sampler(name).refusal(question.distributions, len(question.directions))
    if refusal is not None:
        raise ConfigError(f"The sampler '{name}' {refusal}; take {DEFAULT_SAMPLER}.")


def propose(name: str, question: Question) -> dict[str, Any]:
    """The next parameters by a sampler; the defaults come first of all."""
    if not question.known or not question.distributions:
        return dict(question.defaults)
    return get_sampler(name).propose(question)
