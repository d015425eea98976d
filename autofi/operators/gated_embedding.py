"""The embedding of a field's value behind a gate of its own."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from autofi.data.features import Column
from autofi.operators._gated_table import GatedTable
from autofi.operators.base import Shapes, look_up
from autofi.operators.registry import register


@register
class GatedEmbedding(GatedTable):
    """OptFS: gates decide which values deserve a vector; a pair's gate is the product of its fields' gates.

    The paper trains the gates by gradient. Here each gate moves once per epoch, by a bounded step: by the loss that its
    value's vector saves on rows that the weights do not learn from, less a penalty; see `training.gate_pruning`. After
    the gates are closed a gate is 1 or 0, as in the paper; the public code keeps a factor of 1.6.
    """

    name = "gated_embedding"
    aliases = ("optfs_value",)
    summary = "OptFS: a learned vector per value behind a gate that training may close"
    formula = "y = s(t w_v)/s(½) · E_f[x_f] while gates learn, then [w_v > 0] · E_f[x_f]"
    source = "https://arxiv.org/abs/2301.10909"
    differs = (
        "the weights of gates move by the logloss that a value's vector saves on rows held out of the step, "
        "not by gradient as in the paper; an open gate ends at exactly 1"
    )

    @classmethod
    def num_gates(cls, slots: Sequence[Column], shapes: Shapes) -> int:
        return sum(cls.rows(slot, shapes) for slot in slots)

    def weights_of(self, rows: Tensor) -> Tensor:
        assert self.gates is not None
        return look_up(self.gates, rows)

    def by_row(self, values: Tensor) -> Tensor:
        return values

    def by_gate(self, values: Tensor) -> Tensor:
        return values
