"""Compilation of the part of a network between its look-ups and its logit, if that pays."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

import torch
from torch import nn

from autofi.core.environment import asked
from autofi.model.network import Network
from autofi.operators.streams import Stream

#: The environment variable with "auto", "on" or "off".
VARIABLE = "AUTOFI_COMPILE"
CHOICES = ("auto", "on", "off")

P = ParamSpec("P")
Result = TypeVar("Result")


def compiled_products(
    train: Callable[Concatenate[Network, P], Result],
) -> Callable[Concatenate[Network, P], Result]:
    """Decorate a training function, whose first argument is a network, to use `torch.compile` if that pays.

    The head and the streams are compiled; look-ups are not. On a GPU, where launching many small operations takes
    longer than computing them, they become CUDA graphs. On a CPU the elementwise work between products is fused, which
    takes a C++ compiler and up to a minute and saves 5 to 25 % of a step: that pays for hours of training only, so on a
    CPU it is used only with the variable AUTOFI_COMPILE = on.

    Raises:
        ConfigError: The variable is neither auto, on nor off.
    """

    @wraps(train)
    def compiling(network: Network, /, *args: P.args, **kwargs: P.kwargs) -> Result:
        on_gpu = network.device.type == "cuda"
        if not _wanted(on_gpu):
            return train(network, *args, **kwargs)
        parts: list[nn.Module] = [network.head, *network.streams.values()]
        for part in parts:
            for name in _uncompiled(part):
                # Only now: `disable` imports torch's compiler, which takes longer than torch itself.
                setattr(part, name, torch.compiler.disable(getattr(part, name)))
            part.compile(mode="reduce-overhead" if on_gpu else None, dynamic=None if on_gpu else True)
        try:
            return train(network, *args, **kwargs)
        finally:
            for part in parts:
                # `compile` sets this, and there is no public way to undo it.
                part._compiled_call_impl = None
                for name in _uncompiled(part):
                    delattr(part, name)

    return compiling


def _uncompiled(part: nn.Module) -> tuple[str, ...]:
    return part.uncompiled if isinstance(part, Stream) else ()


def _wanted(on_gpu: bool) -> bool:
    choice = asked(VARIABLE, CHOICES)
    return choice == "on" or (choice == "auto" and on_gpu)
