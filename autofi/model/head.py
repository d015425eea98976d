"""Heads (`readout` in spaces): from the columns of all operators to one logit per row."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor, nn

from autofi.model.ensemble_head import EnsembleHead, mean_logit
from autofi.operators._mlp import initialize
from autofi.space.head_config import HeadSizes


class Head(nn.Module):
    """A head `[B, columns] → [B]`: nothing, a plain sum, a linear map, or an MLP.

    With members, an ensemble head, it gives `[B, members]` in training. `first` maps the columns and is the only part
    that depends on their number, so that `narrow` can keep the columns of an extracted network and `rest` can continue
    from a cached `first(x)`.
    """

    def __init__(self, columns: int, sizes: HeadSizes, *, bias: float = 0.0) -> None:
        super().__init__()
        self.sizes = sizes
        self.columns = columns
        self.bias = nn.Parameter(torch.tensor(bias))
        widths = (*sizes.hidden, 1) if sizes.name == "mlp" else (1,)
        if sizes.name in ("none", "sum"):
            self.first = None
        else:
            self.first = nn.Linear(columns, widths[0], bias=sizes.name == "mlp")
        self.layers = nn.Sequential(*(_after_first(widths, sizes) if sizes.name == "mlp" else ()))
        initialize(self)

    @property
    def reads_columns(self) -> bool:
        """True if the logit depends on the columns; with "none" other logits, passed as `beside`, are all there is."""
        return self.sizes.name != "none"

    def forward(self, columns: Tensor, beside: Tensor | None = None) -> Tensor:
        """Return the logit plus the logits `beside` it, `[B]` or one per branch `[B, K]`."""
        if self.first is None:
            logits = columns.sum(1) + self.bias if self.reads_columns else self.bias.expand(columns.shape[0])
            return logits if beside is None else _added(logits, beside)
        return self.rest(self.first(columns), beside)

    def rest(self, first: Tensor, beside: Tensor | None = None) -> Tensor:
        """Return the logit from `first(columns)`; of an ensemble its mean probability's, or in training all of them."""
        logits: Tensor = self.layers(first)
        # The check is explicit: with members torch would squeeze nothing, but an exported graph would try to.
        logits = (logits.squeeze(-1) if logits.shape[-1] == 1 else logits) + self.bias
        if beside is not None:
            logits = _added(logits, beside)
        return mean_logit(logits) if logits.dim() > 1 and not self.training else logits

    def first_weight(self) -> Tensor:
        """Return the weight that maps the columns, `[H, columns]`; ones if they are only summed."""
        return self.bias.new_ones(1, self.columns) if self.first is None else self.first.weight

    def first_bias(self) -> Tensor:
        """Return the bias added to the mapped columns before `rest`, `[H]`."""
        if self.first is None or self.first.bias is None:
            return self.bias.new_zeros(len(self.first_weight()))
        return self.first.bias

    def narrow(self, columns: Sequence[int]) -> Self:
        """Return the same head over these columns only, which is exact if the others are zero."""
        with torch.random.fork_rng(devices=[]):
            small = type(self)(len(columns), self.sizes).to(self.bias.device, self.bias.dtype)
        state = self.state_dict()
        if self.first is not None:
            state["first.weight"] = state["first.weight"][:, list(columns)]
        small.load_state_dict(state)
        small.train(self.training)
        return small


def _added(logits: Tensor, beside: Tensor) -> Tensor:
    """Return the sum; one logit per row is added to every member, or branch, of the other."""
    if logits.dim() > beside.dim():
        beside = beside.unsqueeze(1)
    elif beside.dim() > logits.dim():
        logits = logits.unsqueeze(1)
    return logits + beside


def _after_first(widths: Sequence[int], sizes: HeadSizes) -> list[nn.Module]:
    """Return the modules after the first layer, whose outputs are `widths[0]` wide."""
    layers: list[nn.Module] = []
    for width, following in itertools.pairwise(widths):
        if sizes.batch_norm:
            layers.append(nn.BatchNorm1d(width))
        if sizes.ensemble > 1:
            return [*layers, nn.Dropout(sizes.dropout), EnsembleHead(widths, sizes.ensemble)]
        layers.append(nn.ReLU())
        if sizes.dropout:
            layers.append(nn.Dropout(sizes.dropout))
        layers.append(nn.Linear(width, following))
    return layers
