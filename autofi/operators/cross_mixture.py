"""Crosses whose maps are mixtures of low-rank experts: DCN-Mix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from autofi.core.validated import Count
from autofi.operators._mlp import initialize
from autofi.operators.explains import RowWeights
from autofi.operators.registry import register
from autofi.operators.streams import Stream, StreamInputs


@dataclass(frozen=True)
class CrossMixtureSettings:
    """The settings of DCN-Mix.

    Attributes:
        layers: Cross layers.
        rank: Columns an expert works in.
        experts: Experts of every layer, at least two (with one, a gate has no effect: `cross_network` has a rank).
    """

    layers: Count = 3
    rank: Count = 32
    experts: Annotated[int, Field(ge=2)] = 4


@register
class CrossMixture(Stream):
    """A mixture of low-rank experts over the concatenated vectors, then a linear map, as in DCNv2.

    `g` is tanh and the gates are a softmax of a linear map, one for each layer (public codes share one map between the
    layers). The gates add up to 1, so that the experts' shared bias is added once, and all maps back to `C = F·D`
    columns are one product of the concatenated gated experts. With `K` experts of rank `r` a layer costs `2·C·K·r +
    K·r²` products per row. The logit is added to an MLP's, as in `cross_network`.
    """

    name = "cross_mixture"
    aliases = ("dcn_mix",)
    summary = "DCN-Mix: every layer multiplies the row by a gated mixture of low-rank experts"
    formula = (
        "y = w·x_L, x_{l+1} = Σ_i G_i(x_l) x_0 ∘ (U_i g(C_i g(V_iᵀ x_l)) + b) + x_l, "
        "G = softmax(W x_l), g = tanh"
    )
    source = "https://arxiv.org/abs/2008.13535"
    Settings = CrossMixtureSettings
    examples = ({"layers": 1, "rank": 1, "experts": 2},)

    def __init__(self, inputs: StreamInputs, settings: CrossMixtureSettings) -> None:
        super().__init__(inputs, settings)
        self.layers = nn.ModuleList(
            _Layer(inputs.width, settings.rank, settings.experts) for _ in range(settings.layers)
        )
        self.last = nn.Linear(inputs.width, 1, bias=False)
        initialize(self.last)

    @classmethod
    def num_parameters(cls, inputs: StreamInputs, settings: CrossMixtureSettings) -> int:
        width = inputs.width
        expert = settings.rank * (2 * width + settings.rank) + width
        return settings.layers * (settings.experts * expert + width) + width

    def forward(self, vectors: Tensor, codes: Tensor) -> Tensor:
        row = crossed = vectors.flatten(1)
        for layer in self.layers:
            # Convert first: torch multiplies float32 by bfloat16 element by element, without vector instructions.
            crossed = crossed + row * layer(crossed).to(row.dtype)
        logit: Tensor = self.last(crossed).squeeze(1)
        return logit

    def explained(self, vectors: Tensor, codes: Tensor) -> list[RowWeights]:
        """Return the gates of the experts in every layer."""
        experts = tuple(f"expert {number + 1}" for number in range(self.settings.experts))
        row = crossed = vectors.flatten(1)
        found = []
        for place, layer in enumerate(self.layers):
            assert isinstance(layer, _Layer)
            found.append(RowWeights(f"layer {place + 1}, gates", experts, layer.shares(crossed)))
            crossed = crossed + row * layer(crossed).to(row.dtype)
        return found


class _Layer(nn.Module):
    """The factor that a layer multiplies a row by: the experts' maps of `crossed`, weighted by their gates."""

    def __init__(self, width: int, rank: int, experts: int) -> None:
        super().__init__()
        self.experts, self.rank = experts, rank
        # All maps that read the row are one product: `Vᵀ` of every expert, then the gates.
        self.down = nn.Linear(width, experts * (rank + 1), bias=False)
        self.inner = nn.Parameter(torch.empty(experts, rank, rank))
        self.up = nn.Linear(experts * rank, width)
        for part in (
            *self.down.weight.split([rank] * experts + [experts]),
            *self.inner,
            *self.up.weight.split(rank, 1),
        ):
            # Every part is a map of its own, and is initialized as one.
            nn.init.xavier_normal_(part)
        nn.init.zeros_(self.up.bias)

    def forward(self, crossed: Tensor) -> Tensor:
        low, gates = self._down(crossed)
        # [K, B, r] x [K, r, r]: every expert by its own map.
        experts = low.tanh().unflatten(1, (self.experts, self.rank)).transpose(0, 1)
        mapped = torch.bmm(experts, self.inner.transpose(1, 2)).tanh().transpose(0, 1)
        shares = gates.float().softmax(1).to(mapped.dtype)
        found: Tensor = self.up((mapped * shares.unsqueeze(2)).flatten(1))
        return found

    def shares(self, crossed: Tensor) -> Tensor:
        """Return the gates of all experts, `[B, experts]`."""
        return self._down(crossed)[1].float().softmax(1)

    def _down(self, crossed: Tensor) -> tuple[Tensor, Tensor]:
        low, gates = self.down(crossed).split([self.experts * self.rank, self.experts], 1)
        return low, gates
