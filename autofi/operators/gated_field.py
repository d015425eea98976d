"""The embedding of a field's value behind one gate of the field."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from autofi.data.features import Column
from autofi.operators._gated_table import GatedTable
from autofi.operators.base import Shapes
from autofi.operators.registry import register


@register
class GatedField(GatedTable):
    """OptFS with one gate per field, which decides whether the field deserves vectors at all."""

    name = "gated_field"
    aliases = ("optfs_field",)
    summary = "OptFS by field: a learned vector per value behind one gate of the field"
    formula = "y = s(t w_f)/s(½) · E_f[x_f] while gates learn, then [w_f > 0] · E_f[x_f]"
    source = "https://arxiv.org/abs/2301.10909"
    differs = (
        "the weights of gates move by the logloss that a field's vectors save on rows held out of the step, "
        "not by gradient as in the paper; an open gate ends at exactly 1"
    )

    @classmethod
    def num_gates(cls, slots: Sequence[Column], shapes: Shapes) -> int:
        return len(slots)

    def weights_of(self, rows: Tensor) -> Tensor:
        assert self.gates is not None
        return self.gates

    def by_row(self, values: Tensor) -> Tensor:
        return values.repeat_interleave(torch.tensor(self.slot_rows, device=values.device))

    def by_gate(self, values: Tensor) -> Tensor:
        return torch.stack([part.sum() for part in values.split(list(self.slot_rows))])
