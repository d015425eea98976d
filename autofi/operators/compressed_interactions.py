"""Products of fields compressed to a few maps per layer: the compressed interaction network of xDeepFM."""

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
    """The settings of the compressed interaction network.

    Attributes:
        maps: Feature maps of every layer; layer `k` holds products of `k + 1` fields.
        split_half: True if a layer hands one half of its maps on and gives the other half to the logit (the authors'
            code); otherwise all maps go both ways, as in the paper.
    """

    maps: Widths = (16, 16)
    split_half: bool = False

    def __post_init__(self) -> None:
        if self.split_half and min(self.maps[:-1], default=2) < 2:
            raise SearchSpaceError(
                f"compressed_interactions has maps {list(self.maps)}, but split_half hands half of them on, so every "
                "layer but the last has at least two; widen a layer or leave split_half out."
            )


@register
class CompressedInteractions(Stream):
    """Layers of feature maps of xDeepFM, each summed over its columns; then a linear map of all sums.

    As in the paper, maps have no activation and no bias (the public code has biases). The sums over columns come from
    inner products of the last maps with the fields, so that a map which only the logit reads is never formed: `H·F·D`
    products per row and layer, with `H` maps of the last layer. Maps handed on cost `M·H·F·D` per layer, multiplied
    with the last maps first: the `H·F` products of a column are never stored.
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
        #: One row per map: its weights for all pairs of a last map and a field.
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
            # [B, D, H]ᵀ [B, D, F] → [B, H·F]: the terms of the sums over the columns of all maps of this layer.
            products = torch.bmm(maps.transpose(1, 2), fields).flatten(1)
            logits.append(products @ (share @ weights[-layer.read :]))
            if layer.handed_on:
                maps = _mixed(maps, fields, weights[: layer.handed_on])
        return torch.stack(logits).float().sum(0)


class _Layer(NamedTuple):
    """The numbers of maps that a layer reads, has, hands on (the first ones) and gives to the logit (the last ones)."""

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
    """Return new maps `[B, D, M]` from the last `[B, D, H]` and the fields `[B, D, F]`."""
    rows, columns, before = maps.shape
    new, inputs = len(weights), fields.shape[2]
    mixing = weights.view(new, before, inputs).transpose(0, 1).flatten(1)
    mixed = (maps.flatten(0, 1) @ mixing).unflatten(1, (new, inputs))
    return torch.bmm(mixed, fields.flatten(0, 1).unsqueeze(2)).view(rows, columns, new)
