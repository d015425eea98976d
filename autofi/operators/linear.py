"""Logistic regression: one weight per value."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from autofi.operators.base import look_up, table_offsets
from autofi.operators.registry import register
from autofi.operators.streams import NoSettings, Stream, StreamInputs


@register
class Linear(Stream):
    """Logistic regression on the values: the first-order term of factorization machines.

    Fields whose vector is pooled from a list have no weight here.
    """

    name = "linear"
    aliases = ("first_order",)
    summary = "one weight per value: logistic regression beside the rest"
    formula = "y = Σ_f w_f[x_f]"
    source = "https://doi.org/10.1109/ICDM.2010.127"

    offsets: Tensor

    def __init__(self, inputs: StreamInputs, settings: NoSettings) -> None:
        super().__init__(inputs, settings)
        rows = inputs.coded_rows
        self.table = nn.Parameter(torch.zeros(sum(rows), 1))
        self.register_buffer("offsets", table_offsets(rows), persistent=False)

    @classmethod
    def num_parameters(cls, inputs: StreamInputs, settings: NoSettings) -> int:
        return sum(inputs.rows)

    def forward(self, vectors: Tensor, codes: Tensor) -> Tensor:
        return look_up(self.table, codes + self.offsets).flatten(1).sum(1)

    def tables(self) -> tuple[nn.Parameter, ...]:
        return (self.table,)
