"""Products of fields compressed to a few maps a layer: the compressed interaction network of xDeepFM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from autofi.core.validated import Widths
from autofi.errors import SearchSpaceError
from autofi.operators._mlp import initialize
from autofi.operators.registry import register
from autofi.operators.streams import Stream, StreamInputs


@dataclass(frozen=True)
class CompressedInteractionsSettings:
    """maps         feature maps of every layer; layer `k` holds products of `k + 1` fields
    split_half   whether a layer hands one half of its maps on and gives the other to the logit (the authors' code);
                 else all of them go both ways, as in the paper
    """

    maps: Widths = (16, 16)
    split_half: bool = False

    def __post_init__(self) -> None:
        if self.split_half and min(self.maps[:-1], default=2) < 2:
            raise SearchSpaceError(
                "Half of the maps of compressed_interactions are handed on: every layer but the last has at least "
                f"two, found {list(self.maps)}; widen a layer or leave split_half out."
            )


@register
class CompressedInteractions(Stream):
    """xDeepFM's layers of feature maps, each summed over its columns; then a linear map of all sums.

    As in the paper, maps have no activation and no shift (its public code has shifts). The sums over columns are read
    off the inner products of the last maps with the fields, so that a map which only the logit reads is never formed:
    `H·F·D` products a row and layer, with `H` maps of the last layer. Maps handed on cost `M·H·F·D` each layer,
    multiplied with the last maps first: the `H·F` products of a column are never held.
    """

    name = "compressed_interactions"
    aliases = ("cin",)
    summary = "xDeepFM: feature maps of weighted products of the last maps with the fields"
    formula = "y = Σ_k w_k·Σ_d X^k_d, X^k_h = Σ_ij W^k_hij X^(k-1)_i ∘ v_j, X^0 = v"
    source = "https://arxiv.org/abs/1803.05170"
    Settings = CompressedInteractionsSettings
    examples = ({"maps": [5, 3, 2], "split_half": True}, {"maps": [7]})

    def __init__(self, inputs: StreamInputs, settings: CompressedInteractionsSettings) -> None:
        super().__init__(inputs, settings)
        self.plan = _plan(len(inputs.fields), settings)
        #: One row a map: its weights for all pairs of a last map and a field.
        self.weights = nn.ParameterList(
            nn.init.xavier_normal_(torch.empty(layer.maps, layer.before * len(inputs.fields)))
            for layer in self.plan
        )
        self.last = nn.Linear(sum(layer.read for layer in self.plan), 1, bias=False)
        initialize(self)

    @classmethod
    def num_parameters(cls, inputs: StreamInputs, settings: CompressedInteractionsSettings) -> int:
        fields = len(inputs.fields)
        return sum(layer.before * fields * layer.maps + layer.read for layer in _plan(fields, settings))

    def forward(self, vectors: Tensor, codes: Tensor) -> Tensor:
        maps = fields = vectors.transpose(1, 2).contiguous()
        shares = self.last.weight.squeeze(0).split([layer.read for layer in self.plan])
        logits = []
        for layer, weights, share in zip(self.plan, self.weights, shares, strict=True):
            # [B, D, H]ᵀ [B, D, F] → [B, H·F]: what the sums over the columns of all maps of this layer are made of.
            products = torch.bmm(maps.transpose(1, 2), fields).flatten(1)
            logits.append(products @ (share @ weights[-layer.read :]))
            if layer.handed_on:
                maps = _mixed(maps, fields, weights[: layer.handed_on])
        return torch.stack(logits).float().sum(0)


class _Layer(NamedTuple):
    """Maps it reads beside the fields, maps it has, those handed on (the first), those the logit reads (the last)."""

    before: int
    maps: int
    handed_on: int
    read: int


def _plan(fields: int, settings: CompressedInteractionsSettings) -> list[_Layer]:
    layers = []
    before = fields
    for maps in settings.maps[:-1]:
        handed_on = maps // 2 if settings.split_half else maps
        layers.append(_Layer(before, maps, handed_on, maps - handed_on if settings.split_half else maps))
        before = handed_on
    return [*layers, _Layer(before, settings.maps[-1], 0, settings.maps[-1])]


def _mixed(maps: Tensor, fields: Tensor, weights: Tensor) -> Tensor:
    """New maps `[B, D, M]` from the last `[B, D, H]` and the fields `[B, D, F]`."""
    rows, columns, before = maps.shape
    new, inputs = len(weights), fields.shape[2]
    mixing = weights.view(new, before, inputs).transpose(0, 1).flatten(1)
    mixed = (maps.flatten(0, 1) @ mixing).unflatten(1, (new, inputs))
    return torch.bmm(mixed, fields.flatten(0, 1).unsqueeze(2)).view(rows, columns, new)
