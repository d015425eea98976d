"""Crosses of bounded order by one vector per layer: the cross network of the first DCN."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from autofi.core.validated import Count
from autofi.operators.registry import register
from autofi.operators.streams import Stream, StreamInputs


@dataclass(frozen=True)
class CrossVectorSettings:
    """The settings of the cross network of the first DCN.

    Attributes:
        layers: Crosses of orders up to `layers + 1`.
    """

    layers: Count = 3


@register
class CrossVector(Stream):
    """DCN's cross layers over the concatenated vectors, then a linear map.

    A layer adds a multiple of the row and a bias that all rows share, so that `x_l = s_l x_0 + c_l` with one number
    `s_l` per row. No `x_l` is formed: one matrix product gives the inner products of the row with every weight vector,
    and the layers are steps on `s_l`. With `C = F·D`, this costs `C·(layers + 1)` products per row instead of
    `4·C·layers`.
    """

    name = "cross_vector"
    aliases = ("dcn",)
    summary = "DCN: every layer multiplies the row by one number made from the last layer"
    formula = "y = w·x_L, x_{l+1} = x_0 (w_l·x_l) + b_l + x_l"
    source = "https://arxiv.org/abs/1708.05123"
    Settings = CrossVectorSettings
    examples = ({"layers": 1},)

    def __init__(self, inputs: StreamInputs, settings: CrossVectorSettings) -> None:
        super().__init__(inputs, settings)
        #: The `w_l` of every layer, and the logit's `w` as the last row.
        self.weights = nn.Linear(inputs.width, settings.layers + 1, bias=False)
        for vector in self.weights.weight.split(1):
            # Every row is a map to one number, and is initialized as one.
            nn.init.xavier_normal_(vector)
        self.shifts = nn.Parameter(torch.zeros(settings.layers, inputs.width))

    @classmethod
    def num_parameters(cls, inputs: StreamInputs, settings: CrossVectorSettings) -> int:
        return (2 * settings.layers + 1) * inputs.width

    def forward(self, vectors: Tensor, codes: Tensor) -> Tensor:
        *products, last = self.weights(vectors.flatten(1)).float().unbind(1)
        # c_l is the sum of the biases before layer l, and enters it as the number w_l·c_l.
        shared = self.shifts.cumsum(0)
        *later, shift = (shared * self.weights.weight[1:]).sum(1)
        scale = 1 + products[0]
        for product, constant in zip(products[1:], later, strict=True):
            scale = scale + scale * product + constant
        logit: Tensor = scale * last + shift
        return logit
