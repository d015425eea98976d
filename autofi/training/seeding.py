"""Seeding of torch's global random numbers, which dropout draws from, for one training."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import torch

P = ParamSpec("P")
Result = TypeVar("Result")


def own_randomness(train: Callable[P, Result]) -> Callable[P, Result]:
    """Decorate a training function so that the global random numbers follow its keyword `generator`.

    Inside, they follow that generator's seed; afterwards they continue as if the function had not been called. Dropout
    takes no generator: without this, the result of a training would depend on everything that ran before it.
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
