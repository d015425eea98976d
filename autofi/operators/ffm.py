"""The field-aware factorization machine: one vector per value and other field."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from autofi.core.validated import Count
from autofi.operators._field_aware import FieldAwareProducts
from autofi.operators.registry import register
from autofi.operators.streams import Stream, StreamInputs


@dataclass(frozen=True)
class FFMSettings:
    """The settings of the field-aware factorization machine.

    Attributes:
        dim: Columns of a field-aware vector.
    """

    dim: Count = 4


@register
class FFM(Stream):
    """Inner products of field-aware vectors: every value has one vector for each other field.

    The vectors belong to this stream, not to the fields. It costs `F²·dim/2` products per row and `(F-1)·dim` numbers
    per value. Fields whose vector is pooled from a list take no part. First-order weights are left to the stream
    `linear`. The paper's scaling of rows to unit length is left out: with one value per field it is one factor for all
    rows.
    """

    name = "ffm"
    summary = "inner products of field-aware vectors of all pairs, summed"
    formula = "y = Σ_{i<j} <V_{x_i, f_j}, V_{x_j, f_i}>"
    source = "https://doi.org/10.1145/2959100.2959134"
    Settings = FFMSettings
    examples = ({"dim": 1},)

    def __init__(self, inputs: StreamInputs, settings: FFMSettings) -> None:
        super().__init__(inputs, settings)
        self.products = FieldAwareProducts(inputs, settings.dim)

    @classmethod
    def num_parameters(cls, inputs: StreamInputs, settings: FFMSettings) -> int:
        return FieldAwareProducts.num_parameters(inputs, settings.dim)

    def forward(self, vectors: Tensor, codes: Tensor) -> Tensor:
        logit: Tensor = self.products(codes).sum(1)
        return logit

    def tables(self) -> tuple[nn.Parameter, ...]:
        return (self.products.table,)
