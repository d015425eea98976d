"""Compiling what a network computes between its look-ups and its logit, where that pays."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from torch import nn

from autofi.core.environment import asked
from autofi.model.network import Network

#: "auto", "on" or "off".
VARIABLE = "AUTOFI_COMPILE"
CHOICES = ("auto", "on", "off")

P = ParamSpec("P")
Result = TypeVar("Result")


def compiled_products(
    train: Callable[Concatenate[Network, P], Result],
) -> Callable[Concatenate[Network, P], Result]:
    """Decorator of a function that trains the network it is given first, with `torch.compile` where that pays.

    The read-out and the streams are compiled; look-ups stay as they are. On a GPU, where launching many small
    operations takes longer than computing them, they become CUDA graphs. On a CPU the elementwise work between
    products is fused, which takes a C++ compiler and up to a minute and gives 5 to 25 % of a step: worth it for hours
    of training only, so there it is left to the variable AUTOFI_COMPILE = on. A value other than auto, on and off
    raises `ConfigError`.
    """

    @wraps(train)
    def compiling(network: Network, /, *args: P.args, **kwargs: P.kwargs) -> Result:
        on_gpu = network.device.type == "cuda"
        if not _wanted(on_gpu):
            return train(network, *args, **kwargs)
        parts: list[nn.Module] = [network.readout, *network.streams.values()]
        for part in parts:
            part.compile(mode="reduce-overhead" if on_gpu else None, dynamic=None if on_gpu else True)
        try:
            return train(network, *args, **kwargs)
        finally:
            for part in parts:
                # What `compile` sets, and nothing public takes back.
                part._compiled_call_impl = None

    return compiling


def _wanted(on_gpu: bool) -> bool:
    choice = asked(VARIABLE, CHOICES)
    return choice == "on" or (choice == "auto" and on_gpu)
