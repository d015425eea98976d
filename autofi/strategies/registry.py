"""Strategies by name: registering a class is enough for it to be offered, tested and documented."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import TypeVar

from autofi import strategies as package
from autofi.errors import ConfigError, nearest
from autofi.strategies.base import Strategy

_KNOWN: dict[str, type[Strategy]] = {}
Registered = TypeVar("Registered", bound=type[Strategy])


def register(strategy: Registered) -> Registered:
    """Class decorator: make the strategy known under its `name`."""
    assert _KNOWN.get(strategy.name, strategy).__qualname__ == strategy.__qualname__, strategy.name
    _KNOWN[strategy.name] = strategy
    return strategy


@cache
def strategies() -> dict[str, type[Strategy]]:
    """Every registered strategy by name, in alphabetical order."""
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
    return dict(sorted(_KNOWN.items()))


def get_strategy(name: str) -> Strategy:
    """The strategy of that name; raises ConfigError with the nearest one."""
    if name not in strategies():
        raise ConfigError(f"No strategy named '{name}': {nearest(name, strategies())}")
    return strategies()[name]()
