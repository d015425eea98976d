"""The registry of strategies: a registered class is offered, tested and documented."""

from __future__ import annotations

from typing import TypeVar

from autofi.core.registry import Registry
from autofi.errors import ConfigError
from autofi.strategies.base import Strategy

_REGISTRY: Registry[Strategy] = Registry(
    "strategy", Strategy, "autofi.strategies", "autofi.strategies", ConfigError
)
Registered = TypeVar("Registered", bound=type[Strategy])


def register(strategy: Registered) -> Registered:
    """Class decorator: register the strategy under its `name` and `aliases`."""
    _REGISTRY.add(strategy)
    return strategy


def strategies() -> dict[str, type[Strategy]]:
    """Return every registered strategy by name, in alphabetical order."""
    return _REGISTRY.all()


def get_strategy(name: str) -> Strategy:
    """Return the strategy of that name.

    Raises:
        ConfigError: There is no such strategy; the message names the nearest.
    """
    return _REGISTRY.get(name)()
