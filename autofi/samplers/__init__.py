"""Samplers: from measured trials to the next proposal, without torch or SQL.

A new sampler is a file in this package with a class and its decorator.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autofi.core.lazy_names import lazy_name

if TYPE_CHECKING:
    from autofi.samplers.base import ObservedTrial, Sampler, SamplerContext
    from autofi.samplers.registry import get_sampler, register, samplers

_WHERE = {
    "ObservedTrial": "base",
    "Sampler": "base",
    "SamplerContext": "base",
    "get_sampler": "registry",
    "register": "registry",
    "samplers": "registry",
}

__all__ = ["ObservedTrial", "Sampler", "SamplerContext", "get_sampler", "register", "samplers"]


def __getattr__(name: str) -> Any:
    # Imported when first used: Optuna takes a second, and the names of samplers are read without.
    return lazy_name(__name__, _WHERE, name)
