"""Layers that operators and heads are built from."""

from __future__ import annotations

from itertools import pairwise
from typing import Protocol

from torch import nn


def mlp(
    width: int,
    hidden: tuple[int, ...],
    *,
    dropout: float = 0.0,
    batch_norm: bool = False,
    last: int | None = None,
) -> nn.Sequential:
    """Return hidden layers, each with normalization, ReLU and dropout, then a linear map to `last` columns if given."""
    layers: list[nn.Module] = []
    for following in hidden:
        layers.append(nn.Linear(width, following))
        if batch_norm:
            layers.append(nn.BatchNorm1d(following))
        layers.append(nn.ReLU())
        if dropout:
            layers.append(nn.Dropout(dropout))
        width = following
    if last is not None:
        layers.append(nn.Linear(width, last))
    return nn.Sequential(*layers)


def mlp_parameters(
    width: int, hidden: tuple[int, ...], *, batch_norm: bool = False, last: int | None = None
) -> int:
    """Return the number of parameters of `mlp` with the same arguments."""
    widths = [width, *hidden, *(() if last is None else (last,))]
    maps: int = sum((before + 1) * after for before, after in pairwise(widths))
    return maps + (2 * sum(hidden) if batch_norm else 0)


class ReadByMLP(Protocol):
    """The settings of an interaction that ends in an MLP of its own."""

    @property
    def hidden(self) -> tuple[int, ...]: ...
    @property
    def dropout(self) -> float: ...
    @property
    def batch_norm(self) -> bool: ...


def logit_mlp(width: int, settings: ReadByMLP) -> nn.Sequential:
    """Return an MLP that maps `[B, width]` to a logit `[B, 1]`."""
    return mlp(width, settings.hidden, dropout=settings.dropout, batch_norm=settings.batch_norm, last=1)


def logit_mlp_parameters(width: int, settings: ReadByMLP) -> int:
    """Return the number of parameters of `logit_mlp` with the same arguments."""
    return mlp_parameters(width, settings.hidden, batch_norm=settings.batch_norm, last=1)


def initialize(module: nn.Module) -> None:
    """Set every linear map to Xavier weights and zero biases."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.xavier_normal_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
