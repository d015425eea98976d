"""An MLP over field-aware products: the operation-aware network, also called NFFM."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from autofi.core.validated import Count, Share, Widths
from autofi.operators._field_aware import FieldAwareProducts
from autofi.operators._mlp import initialize, logit_mlp, logit_mlp_parameters
from autofi.operators.registry import register
from autofi.operators.streams import Stream, StreamInputs


@dataclass(frozen=True)
class ONNSettings:
    """The settings of the operation-aware network.

    Attributes:
        dim: Columns of a field-aware vector.
        hidden: Widths of the MLP.
        dropout: Dropout of its hidden layers.
        batch_norm: Batch normalization in its hidden layers.
    """

    dim: Count = 4
    hidden: Widths = (400, 400, 400)
    dropout: Share = 0.0
    batch_norm: bool = False


@register
class ONN(Stream):
    """ONN: a value has one vector for every operation it takes part in, and the MLP reads all results.

    The operation "copy" reads the field vectors, the product with each other field a vector for it alone. The paper
    gives both one width; here `dim` is separate, because the table grows with it: `(F-1)·dim` numbers per value,
    `F²·dim/2` products per row besides the MLP's. Fields whose vector is pooled from a list are copied and not
    multiplied.
    """

    name = "onn"
    summary = "ONN (NFFM): an MLP over the field vectors and all field-aware products"
    formula = "y = MLP([v_1, ..., v_F, (<V_{x_i, f_j}, V_{x_j, f_i}>)_{i<j}])"
    source = "https://arxiv.org/abs/1904.12579"
    Settings = ONNSettings
    examples = ({"dim": 2, "hidden": [6], "dropout": 0.2, "batch_norm": True},)

    def __init__(self, inputs: StreamInputs, settings: ONNSettings) -> None:
        super().__init__(inputs, settings)
        self.products = FieldAwareProducts(inputs, settings.dim)
        self.mlp = logit_mlp(_columns(inputs), settings)
        initialize(self)

    @classmethod
    def num_parameters(cls, inputs: StreamInputs, settings: ONNSettings) -> int:
        table = FieldAwareProducts.num_parameters(inputs, settings.dim)
        return table + logit_mlp_parameters(_columns(inputs), settings)

    def forward(self, vectors: Tensor, codes: Tensor) -> Tensor:
        logit: Tensor = self.mlp(torch.cat((vectors.flatten(1), self.products(codes)), 1)).squeeze(1)
        return logit

    def tables(self) -> tuple[nn.Parameter, ...]:
        return (self.products.table,)


def _columns(inputs: StreamInputs) -> int:
    return inputs.width + FieldAwareProducts.num_pairs(inputs)
