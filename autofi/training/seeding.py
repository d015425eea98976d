"""Ties torch's global random numbers, which dropout draws from, to the seed of a training."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import torch

P = ParamSpec("P")
Result = TypeVar("Result")


def own_randomness(train: Callable[P, Result]) -> Callable[P, Result]:
    """Decorator of a function with a keyword `generator`: in it the global random numbers follow that
    generator's seed, and after it they go on as if it had not been called.

    Dropout takes no generator: without this, what a training comes to would depend on all that ran before it.
    """

    @wraps(train)
    def seeded(*args: P.args, **kwargs: P.kwargs) -> Result:
        generator = kwargs["generator"]
        assert isinstance(generator, torch.Generator)
        devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(generator.initial_seed())
            return train(*args, **kwargs)

    return seeded
