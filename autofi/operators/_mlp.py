"""Layers that operators and read-outs are put together from."""

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
    """Hidden layers, each normalised, rectified and thinned; then a linear map to `last` columns where it is given."""
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
    """Trained numbers of `mlp` with the same arguments."""
    widths = [width, *hidden, *(() if last is None else (last,))]
    maps: int = sum((before + 1) * after for before, after in pairwise(widths))
    return maps + (2 * sum(hidden) if batch_norm else 0)


class ReadByMLP(Protocol):
    """Settings of an interaction that an MLP of its own reads."""

    @property
    def hidden(self) -> tuple[int, ...]: ...
    @property
    def dropout(self) -> float: ...
    @property
    def batch_norm(self) -> bool: ...


def logit_mlp(width: int, settings: ReadByMLP) -> nn.Sequential:
    """`[B, width] → [B, 1]`."""
    return mlp(width, settings.hidden, dropout=settings.dropout, batch_norm=settings.batch_norm, last=1)


def logit_mlp_parameters(width: int, settings: ReadByMLP) -> int:
    """Trained numbers of `logit_mlp` with the same arguments."""
    return mlp_parameters(width, settings.hidden, batch_norm=settings.batch_norm, last=1)


def initialize(module: nn.Module) -> None:
    """Xavier weights and zero shifts in every linear map."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.xavier_normal_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
