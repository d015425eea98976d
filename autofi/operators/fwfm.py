"""Second-order factorization with a weight per pair of fields: FwFM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from autofi.operators._mlp import initialize
from autofi.operators._pair_products import INITIAL_DEVIATION
from autofi.operators.base import look_up, table_offsets
from autofi.operators.registry import register
from autofi.operators.streams import Stream, StreamInputs


@dataclass(frozen=True)
class FwFMSettings:
    """The settings of FwFM.

    Attributes:
        linear: First-order part: "field" multiplies a field's vectors by one vector (the paper's FiLV), "value" each
            vector by one of its value (FeLV), "none" leaves it to the stream `linear` (LW).
    """

    linear: Literal["field", "value", "none"] = "field"


@register
class FwFM(Stream):
    """FM with a learned strength per pair of fields, and a first-order part that reads the same vectors.

    It is one matrix product of the upper triangle of strengths with the vectors, `F²·D` products per row; no pair is
    formed. All strengths start at 1, where this is the factorization machine. With `value`, fields whose vector is
    pooled from a list have no first-order part.
    """

    name = "fwfm"
    summary = "inner products of all pairs, each weighted by a strength of the two fields, summed"
    formula = "y = Σ_i <v_i, w_i> + Σ_{i<j} r_ij <v_i, v_j>"
    source = "https://arxiv.org/abs/1806.03514"
    Settings = FwFMSettings
    examples = ({"linear": "value"}, {"linear": "none"})

    ends: Tensor

    def __init__(self, inputs: StreamInputs, settings: FwFMSettings) -> None:
        super().__init__(inputs, settings)
        fields = len(inputs.fields)
        self.register_buffer("ends", torch.triu_indices(fields, fields, 1), persistent=False)
        self.strengths = nn.Parameter(torch.ones(inputs.pairs))
        kind = _LINEAR.get(settings.linear)
        self.linear = kind(inputs) if kind else None

    @classmethod
    def num_parameters(cls, inputs: StreamInputs, settings: FwFMSettings) -> int:
        first = {"field": len(inputs.fields), "value": sum(inputs.rows), "none": 0}[settings.linear]
        return inputs.pairs + first * inputs.dim

    def forward(self, vectors: Tensor, codes: Tensor) -> Tensor:
        fields = len(self.inputs.fields)
        triangle = self.strengths.new_zeros(fields, fields).index_put(tuple(self.ends), self.strengths)
        columns = vectors.transpose(1, 2)
        # Convert first: torch multiplies float32 by bfloat16 element by element, without vector instructions.
        others = nn.functional.linear(columns, triangle).to(columns.dtype)
        logit = (columns * others).sum((1, 2))
        return logit if self.linear is None else logit + self.linear(vectors, codes)

    def tables(self) -> tuple[nn.Parameter, ...]:
        return (self.linear.table,) if isinstance(self.linear, _PerValue) else ()


class _PerField(nn.Module):
    """`Σ_i <v_i, w_i>` with a vector per field."""

    def __init__(self, inputs: StreamInputs) -> None:
        super().__init__()
        self.map = nn.Linear(inputs.width, 1, bias=False)
        initialize(self)

    def forward(self, vectors: Tensor, codes: Tensor) -> Tensor:
        logit: Tensor = self.map(vectors.flatten(1)).squeeze(1)
        return logit


class _PerValue(nn.Module):
    """`Σ_i <v_i, w_i>` with a vector per value of every field with codes."""

    offsets: Tensor
    coded: Tensor

    def __init__(self, inputs: StreamInputs) -> None:
        super().__init__()
        rows = inputs.coded_rows
        self.table = nn.Parameter(torch.randn(sum(rows), inputs.dim) * INITIAL_DEVIATION)
        self.register_buffer("offsets", table_offsets(rows), persistent=False)
        coded = torch.tensor([place for place, found in enumerate(inputs.rows) if found])
        self.register_buffer("coded", coded, persistent=False)

    def forward(self, vectors: Tensor, codes: Tensor) -> Tensor:
        if len(self.coded) < vectors.shape[1]:
            vectors = vectors.index_select(1, self.coded)
        return (look_up(self.table, codes + self.offsets) * vectors).sum((1, 2))


_LINEAR = {"field": _PerField, "value": _PerValue}
