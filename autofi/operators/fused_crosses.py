"""A linear and an exponential cross network side by side: FCN (DCNv3)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from autofi.core.validated import Count, CountOrNone, Share
from autofi.errors import SearchSpaceError
from autofi.operators._mlp import initialize
from autofi.operators.registry import register
from autofi.operators.streams import BranchedStream, StreamInputs


@dataclass(frozen=True)
class FusedCrossesSettings:
    """The settings of FCN.

    Attributes:
        linear_layers: Crosses of orders up to `linear_layers + 1`; 0 leaves that network out.
        exponential_layers: Crosses of orders up to `2 ** exponential_layers`; 0 leaves that network out.
        linear_dropout: Dropout after every linear layer.
        exponential_dropout: Dropout after every exponential layer.
        heads: Parts that every vector is cut into, each crossed by itself; an even number of columns per part.
        batch_norm: Batch normalization of the mapped row, a mean and a deviation per head.
    """

    linear_layers: CountOrNone = 4
    exponential_layers: CountOrNone = 3
    linear_dropout: Share = 0.0
    exponential_dropout: Share = 0.0
    heads: Count = 1
    batch_norm: bool = False

    def __post_init__(self) -> None:
        if not self.linear_layers and not self.exponential_layers:
            raise SearchSpaceError(
                "fused_crosses has 0 linear_layers and 0 exponential_layers; give one of them a layer."
            )


@register
class FusedCrosses(BranchedStream):
    """FCN: LCN, whose layers multiply by the row, and ECN, whose layers multiply by the last layer.

    The mapped row is half as wide as the row; its other half is the same after a self-mask, which filters noise. Each
    network is a branch. It costs `C²/2` products per row and layer, `C = F·D/heads`, for every head.

    As in the public code the bias `b` starts between 0 and 1, and maps are shared by the heads.
    """

    name = "fused_crosses"
    aliases = ("fcn",)
    summary = "FCN (DCNv3): a linear and an exponential cross network with self-masks"
    formula = (
        "y = (w·x_L + w'·x'_L')/2, x_{l+1} = x_0 ∘ (h_l + b_l) + x_l, x'_{l+1} = x'_l ∘ (h'_l + b'_l) + x'_l"
    )
    source = "https://arxiv.org/abs/2407.13349"
    differs = (
        "the loss is a setting of its own: `tri_bce` as in the paper, `tri_bce_attached` as in the public "
        "code"
    )
    Settings = FusedCrossesSettings
    examples = (
        {"linear_layers": 0, "exponential_layers": 2},
        {"linear_layers": 1, "exponential_layers": 1, "heads": 3, "batch_norm": True},
    )

    def __init__(self, inputs: StreamInputs, settings: FusedCrossesSettings) -> None:
        super().__init__(inputs, settings)
        if inputs.dim % (2 * settings.heads):
            raise SearchSpaceError(
                f"fused_crosses has {settings.heads} heads and width {inputs.dim}, but twice the heads must divide the "
                "width of a vector; change one of them."
            )
        width = inputs.width // settings.heads
        kinds = (
            (False, settings.linear_layers, settings.linear_dropout),
            (True, settings.exponential_layers, settings.exponential_dropout),
        )
        self.networks = nn.ModuleList(
            _Crosses(
                width,
                layers,
                dropout=dropout,
                exponential=exponential,
                normalized_heads=settings.heads if settings.batch_norm else 0,
            )
            for exponential, layers, dropout in kinds
            if layers
        )
        initialize(self)

    @classmethod
    def num_parameters(cls, inputs: StreamInputs, settings: FusedCrossesSettings) -> int:
        width = inputs.width // settings.heads
        layer = width * width // 2 + 2 * width + (2 * settings.heads if settings.batch_norm else 0)
        layers = (settings.linear_layers, settings.exponential_layers)
        return sum(count * layer + width + 1 for count in layers if count)

    def branches(self, vectors: Tensor, codes: Tensor) -> Tensor:
        # A head has all first halves of the vectors, then all second ones: a layer's mask covers one half of each.
        row = vectors.unflatten(2, (self.settings.heads, 2, -1)).permute(0, 2, 3, 1, 4).flatten(2)
        return torch.cat([network(row).mean(1) for network in self.networks], dim=1)


class _Crosses(nn.Module):
    """One of the two networks: `[B, H, C]` → a logit per head `[B, H, 1]`."""

    def __init__(
        self, width: int, layers: int, *, dropout: float, exponential: bool, normalized_heads: int
    ) -> None:
        super().__init__()
        self.exponential = exponential
        self.maps = nn.ModuleList(nn.Linear(width, width // 2, bias=False) for _ in range(layers))
        self.norms = nn.ModuleList(nn.LayerNorm(width // 2) for _ in range(layers))
        self.batch_norms = nn.ModuleList(
            nn.BatchNorm1d(normalized_heads) for _ in range(layers if normalized_heads else 0)
        )
        self.shifts = nn.ParameterList(nn.Parameter(torch.rand(width)) for _ in range(layers))
        self.dropout = nn.Dropout(dropout)
        self.last = nn.Linear(width, 1)

    def forward(self, row: Tensor) -> Tensor:
        crossed = row
        for number, shift in enumerate(self.shifts):
            mapped = self.maps[number](crossed).to(row.dtype)
            if self.batch_norms:
                mapped = self.batch_norms[number](mapped)
            masked = mapped * torch.relu(self.norms[number](mapped))
            factor = torch.cat((mapped, masked), dim=-1) + shift
            crossed = torch.addcmul(crossed, crossed if self.exponential else row, factor)
            crossed = self.dropout(crossed)
        logits: Tensor = self.last(crossed)
        return logits
