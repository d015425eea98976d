"""Layers that multiply the row by a linear map of itself: the quadratic network of QIN."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from autofi.core.validated import Count, Share
from autofi.operators._mlp import initialize
from autofi.operators.registry import register
from autofi.operators.streams import Stream, StreamInputs


@dataclass(frozen=True)
class QuadraticSettings:
    """The settings of QIN.

    Attributes:
        layers: Layers, each of which doubles the order of the crosses.
        rows: Linear maps per layer, whose products with its input are summed.
        dropout: Dropout of the maps' columns, and of a layer's output.
        batch_norm: Batch normalization of the sum of products.
    """

    layers: Count = 4
    rows: Count = 4
    dropout: Share = 0.0
    batch_norm: bool = True


@register
class Quadratic(Stream):
    """QIN's quadratic layers over the concatenated vectors, then a linear map.

    With `C = F·D`, a layer costs `rows·C²` weights and products per row. The maps of a layer are summed before their
    product with its input, so that without dropout they are one map, summed once per batch: `C²` products per row.
    Several maps change only the initial weights, the steps of training and the noise of dropout.

    As in the public code, dropout of the maps comes before their product, the activation has one learned slope per
    layer, and the residual comes last. The paper's target attention over a history is not built.
    """

    name = "quadratic"
    aliases = ("qin",)
    summary = "QIN: every layer multiplies the row it is given by linear maps of that row"
    formula = "y = w·x_L, x_{l+1} = PReLU(BN(Σ_r x_l ∘ (W_lr x_l + b_lr))) + x_l"
    source = "https://arxiv.org/abs/2504.17699"
    differs = "the quadratic layers alone: QIN's sparse attention over a history is not built"
    Settings = QuadraticSettings
    examples = ({"layers": 2, "rows": 3, "dropout": 0.1, "batch_norm": False}, {"layers": 1, "rows": 1})

    def __init__(self, inputs: StreamInputs, settings: QuadraticSettings) -> None:
        super().__init__(inputs, settings)
        self.layers = nn.ModuleList(_Layer(inputs.width, settings) for _ in range(settings.layers))
        self.last = nn.Linear(inputs.width, 1)
        initialize(self)

    @classmethod
    def num_parameters(cls, inputs: StreamInputs, settings: QuadraticSettings) -> int:
        width = inputs.width
        layer = settings.rows * (width + 1) * width + 1 + (2 * width if settings.batch_norm else 0)
        return settings.layers * layer + width + 1

    def forward(self, vectors: Tensor, codes: Tensor) -> Tensor:
        row = vectors.flatten(1)
        for layer in self.layers:
            row = layer(row)
        logit: Tensor = self.last(row).squeeze(1)
        return logit


class _Layer(nn.Module):
    def __init__(self, width: int, settings: QuadraticSettings) -> None:
        super().__init__()
        self.rows, self.dropout = settings.rows, settings.dropout
        self.maps = nn.Linear(width, settings.rows * width)
        self.norm = nn.BatchNorm1d(width) if settings.batch_norm else nn.Identity()
        self.activation = nn.PReLU()

    def forward(self, row: Tensor) -> Tensor:
        # Convert first: torch multiplies float32 by bfloat16 element by element, without vector instructions.
        products = self.norm(row * self._mapped(row).to(row.dtype))
        return row + nn.functional.dropout(self.activation(products), self.dropout, self.training)

    def _mapped(self, row: Tensor) -> Tensor:
        """Return the sum of the maps of the row, `[B, C]`."""
        if self.training and self.dropout:
            maps = nn.functional.dropout(self.maps(row), self.dropout)
            mapped: Tensor = maps.unflatten(1, (self.rows, -1)).sum(1)
            return mapped
        weight = self.maps.weight.unflatten(0, (self.rows, -1)).sum(0)
        return nn.functional.linear(row, weight, self.maps.bias.unflatten(0, (self.rows, -1)).sum(0))
