"""An MLP over field vectors and the products of all pairs: PNN."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from autofi.core.validated import Share, Widths
from autofi.operators._mlp import initialize, logit_mlp, logit_mlp_parameters
from autofi.operators._pair_products import inner_products, kernel_products, plain_kernels
from autofi.operators.registry import register
from autofi.operators.streams import Stream, StreamInputs


@dataclass(frozen=True)
class ProductNetworkSettings:
    """The settings of PNN.

    Attributes:
        product: Product of a pair: "inner" (IPNN), or "outer" under a kernel of its own (KPNN).
        hidden: Widths of the MLP.
        dropout: Dropout of its hidden layers.
        batch_norm: Batch normalization in its hidden layers.
    """

    product: Literal["inner", "outer"] = "inner"
    hidden: Widths = (400, 400, 400)
    dropout: Share = 0.0
    batch_norm: bool = False


@register
class ProductNetwork(Stream):
    """PNN: the MLP reads the field vectors and one number per pair.

    The inner product of all pairs is one batched product, `F²·D` products per row. The outer product is the kernel
    product of the authors' later paper (https://arxiv.org/abs/1807.00311), with `P·D²` weights and as many products per
    row for `P = F(F-1)/2` pairs; it starts as the inner product. The first paper's outer product, `D²` columns summed
    over all pairs before the MLP sees them, is left out: it is the outer product of the sum of all fields.
    """

    name = "product_network"
    aliases = ("pnn",)
    summary = "PNN: an MLP over the field vectors and the products of all pairs"
    formula = "y = MLP([v_1, ..., v_F, (p_ij)_{i<j}]), p_ij = <v_i, v_j> or v_iᵀ K_ij v_j"
    source = "https://arxiv.org/abs/1611.00144"
    Settings = ProductNetworkSettings
    examples = (
        {"product": "outer", "hidden": [6]},
        {"hidden": [6, 5], "dropout": 0.2, "batch_norm": True},
    )

    ends: Tensor

    def __init__(self, inputs: StreamInputs, settings: ProductNetworkSettings) -> None:
        super().__init__(inputs, settings)
        fields = len(inputs.fields)
        self.register_buffer("ends", torch.triu_indices(fields, fields, 1), persistent=False)
        self.mlp = logit_mlp(inputs.width + inputs.pairs, settings)
        initialize(self)
        self.kernels = (
            nn.Parameter(plain_kernels(inputs.pairs, inputs.dim)) if settings.product == "outer" else None
        )

    @classmethod
    def num_parameters(cls, inputs: StreamInputs, settings: ProductNetworkSettings) -> int:
        width = inputs.width + inputs.pairs
        layers = logit_mlp_parameters(width, settings)
        return layers + (inputs.pairs * inputs.dim**2 if settings.product == "outer" else 0)

    def forward(self, vectors: Tensor, codes: Tensor) -> Tensor:
        if self.kernels is None:
            products = inner_products(vectors, self.ends)
        else:
            products = kernel_products(vectors, self.ends, self.kernels)
        logit: Tensor = self.mlp(torch.cat((vectors.flatten(1), products), 1)).squeeze(1)
        return logit
