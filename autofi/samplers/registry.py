"""The registry of samplers; a registered class is offered, tested and documented everywhere."""

from __future__ import annotations

from typing import Any, TypeVar

from autofi.core.option_names import DEFAULT_SAMPLER
from autofi.core.registry import Registry
from autofi.errors import ConfigError
from autofi.samplers.base import Sampler, SamplerContext

_REGISTRY: Registry[Sampler] = Registry("sampler", Sampler, "autofi.samplers", "autofi.samplers", ConfigError)
Registered = TypeVar("Registered", bound=type[Sampler])


def register(sampler: Registered) -> Registered:
    """Class decorator: register the sampler under its `name` and `aliases`."""
    _REGISTRY.add(sampler)
    return sampler


def samplers() -> dict[str, type[Sampler]]:
    """Return every registered sampler by name, in alphabetical order."""
    return _REGISTRY.all()


def get_sampler(name: str) -> Sampler:
    """Return the sampler of that name.

    Raises:
        ConfigError: The name is unknown; the message has the nearest one.
    """
    return _REGISTRY.get(name)()


def check_sampler(name: str, question: SamplerContext) -> None:
    """Raise ConfigError if the sampler cannot search such a space or so many objectives."""
    reason = get_sampler(name).unsupported_reason(question.distributions, len(question.directions))
    if reason is not None:
        raise ConfigError(f"The sampler '{name}' {reason}; use {DEFAULT_SAMPLER}.")


def propose(name: str, question: SamplerContext) -> dict[str, Any]:
    """Return the next parameters by a sampler; the defaults come first of all."""
    if not question.known or not question.distributions:
        return dict(question.defaults)
    return get_sampler(name).propose(question)
