"""Crosses of bounded order over the whole row: the cross network of DCNv2."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from torch import Tensor, nn

from autofi.core.validated import Count, CountOrNone
from autofi.operators._mlp import initialize
from autofi.operators.registry import register
from autofi.operators.streams import Mixture, SlicedStream, StreamInputs, mixed_map


@dataclass(frozen=True)
class CrossNetworkSettings:
    """The settings of the cross network of DCNv2.

    Attributes:
        layers: Crosses of orders up to `layers + 1`.
        rank: Columns of the factors `U V` that stand for a full matrix; 0 keeps it full.
    """

    layers: Count = 3
    rank: CountOrNone = 0


@register
class CrossNetwork(SlicedStream):
    """DCNv2's cross layers over the concatenated vectors, then a linear map.

    With `C = F·D`, a full layer costs `C²` weights and products per row, a factored one `2·C·rank`. The paper's stacked
    form feeds the crosses to the MLP; this is the parallel form, whose logit is added to the MLP's. A column of the
    factors is a slice; a full matrix has one.
    """

    name = "cross_network"
    aliases = ("dcnv2",)
    summary = "DCNv2: every layer multiplies the row by a linear map of the last layer"
    formula = "y = w·x_L, x_{l+1} = x_0 ∘ (W_l x_l + b_l) + x_l"
    source = "https://arxiv.org/abs/2008.13535"
    Settings = CrossNetworkSettings
    examples = ({"layers": 2, "rank": 3},)

    def __init__(self, inputs: StreamInputs, settings: CrossNetworkSettings) -> None:
        super().__init__(inputs, settings)
        self.layers = nn.ModuleList(_map(inputs.width, settings.rank) for _ in range(settings.layers))
        self.last = nn.Linear(inputs.width, 1, bias=False)
        initialize(self)

    @classmethod
    def num_parameters(cls, inputs: StreamInputs, settings: CrossNetworkSettings) -> int:
        width = inputs.width
        return settings.layers * (width * (2 * settings.rank or width) + width) + width

    def forward(self, vectors: Tensor, codes: Tensor) -> Tensor:
        row = crossed = vectors.flatten(1)
        for layer in self.layers:
            # Convert first: torch multiplies float32 by bfloat16 element by element, without vector instructions.
            crossed = crossed + row * layer(crossed).to(row.dtype)
        logit: Tensor = self.last(crossed).squeeze(1)
        return logit

    @classmethod
    def slices(cls, settings: CrossNetworkSettings) -> tuple[int, CrossNetworkSettings]:
        return max(settings.rank, 1), dataclasses.replace(settings, rank=min(settings.rank, 1))

    def mixed(self, mixture: Mixture) -> dict[str, Tensor]:
        columns, held = mixture.dims.repeat(len(self.inputs.fields)), mixture.held
        found = {"last.weight": self.last.weight * columns}
        for number, layer in enumerate(self.layers):
            name = f"layers.{number}"
            if isinstance(layer, nn.Linear):
                found |= mixed_map(name, layer, columns, columns)
            else:
                down, up = layer.children()
                assert isinstance(down, nn.Linear) and isinstance(up, nn.Linear)
                found |= mixed_map(f"{name}.0", down, held, columns)
                found |= mixed_map(f"{name}.1", up, columns, held)
        return found


def _map(width: int, rank: int) -> nn.Module:
    if not rank:
        return nn.Linear(width, width)
    return nn.Sequential(nn.Linear(width, rank, bias=False), nn.Linear(rank, width))
