"""Bounded construction of a network: an untrusted architecture is counted before it takes memory."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_buffer_registration_hook,
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)
from torch.utils._python_dispatch import TorchDispatchMode

#: Numbers created while a network is built, per weight: initial values, and temporaries to draw them from.
_NUMBERS_PER_WEIGHT = 16
_ANY_NUMBERS = 1 << 24
#: Parts of a network, per tensor: layers, activations, containers, tensors that are not saved.
_PARTS_PER_TENSOR = 16
_ANY_PARTS = 1024


@contextmanager
def bounded(weights: int, tensors: int) -> Iterator[None]:
    """Limit the construction of a network inside to the memory of one with this many weights and tensors.

    Raises:
        ValueError: Construction would take more; it is raised before the memory is taken.
    """
    left = _ANY_PARTS + _PARTS_PER_TENSOR * tensors

    def count(module: nn.Module, name: str, part: Any) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise ValueError(f"the architecture has more parts than a network of {tensors} tensors")

    handles = [
        register(count)
        for register in (
            register_module_parameter_registration_hook,
            register_module_buffer_registration_hook,
            register_module_module_registration_hook,
        )
    ]
    try:
        with _Counted(weights):
            yield
    finally:
        for handle in handles:
            handle.remove()


class _Counted(TorchDispatchMode):
    """A mode that sees every torch operation before it runs."""

    def __init__(self, weights: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._weights = weights
        self._left: float = _ANY_NUMBERS + _NUMBERS_PER_WEIGHT * weights

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = dict(kwargs or {})
        self._left -= _numbers(func, args, given)
        if self._left < 0:
            raise ValueError(f"the architecture is larger than a network of {self._weights:,} weights")
        return func(*args, **given)


def _numbers(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> float:
    """Return how many numbers an operation creates, from the requested sizes if it takes no tensor."""
    names = [argument.name for argument in func._schema.arguments]
    named = dict(zip(names, args, strict=False)) | dict(kwargs)
    if "repeat_interleave" in func._schema.name:
        repeats = named.get("repeats")
        return float(repeats.sum()) if isinstance(repeats, Tensor) else 0.0
    makes = not any(isinstance(value, Tensor) for value in args) or ".new_" in func._schema.name
    size = named.get("size")
    if makes and isinstance(size, list | tuple):
        return float(math.prod(max(0, int(one)) for one in size))
    if makes and named.get("steps") is not None:
        return float(named["steps"])
    if makes and "end" in named:
        step = abs(float(named.get("step") or 1))
        return abs(float(named["end"]) - float(named.get("start") or 0)) / step
    if makes and "n" in named:
        return float(named["n"]) * float(named.get("m") or named["n"])
    if makes:
        return 0.0
    if func._schema.name in ("aten::repeat", "aten::tile"):
        factors = named.get("repeats") or named.get("dims") or []
        return float(args[0].numel()) * math.prod(factors)
    return float(
        sum(value.numel() for value in args if isinstance(value, Tensor)) if func.is_view is False else 0
    )


__all__ = ["bounded"]
