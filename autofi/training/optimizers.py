"""Optimizers: one fused Adam where tables are small, one by row where they are large."""

from __future__ import annotations

import math
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from autofi.model.network import Network
from autofi.operators.base import updated_by_row


class TableTrainer(Protocol):
    """What the training loop asks of an optimizer."""

    def zero_grad(self) -> None: ...
    def step(self) -> object: ...
    def settle(self) -> None:
        """Bring every row up to date before the weights are read."""

    def scale_learning_rate(self, factor: float) -> None: ...


class DenseAdam:
    """Fused Adam over whole parameters.

    L2 on tables is coupled (added to the gradient of every row, in the batch or not), as the published
    configurations have it: rows that no batch touches shrink, which is what keeps rare values from
    overfitting.
    """

    def __init__(self, groups: list[dict[str, Any]], learning_rate: float) -> None:
        self.adam = torch.optim.Adam(groups, lr=learning_rate, fused=True)

    def zero_grad(self) -> None:
        self.adam.zero_grad(set_to_none=True)

    def step(self) -> None:
        self.adam.step()

    def settle(self) -> None:
        """Nothing is owed: every step touches every row."""

    def scale_learning_rate(self, factor: float) -> None:
        for group in self.adam.param_groups:
            group["lr"] *= factor


class RowAdagrad:
    """Row-wise Adagrad with plain decay, both applied to a row only when a batch touches it.

    A row that missed k steps owes `(1 - lr * l2) ** k`, paid when it is next touched and at `settle`: for the
    same gradients exactly what decaying the whole table at every step gives, without its pass over memory.
    The forward pass that touches a row still reads it unpaid, so the gradients differ by that factor.

    Source: Duchi et al., JMLR 2011; one accumulator per row as in Gupta et al., "Training Recommender Systems
    at Scale", 2020.
    """

    def __init__(self, table: nn.Parameter, learning_rate: float, l2: float, eps: float = 1e-8) -> None:
        self.table, self.learning_rate, self.l2, self.eps = table, learning_rate, l2, eps
        self.squares = torch.zeros(len(table), device=table.device)
        self.log_decay = torch.zeros(len(table), dtype=torch.float64, device=table.device)
        self.owed = 0.0  # the log of the decay every row should have had by now

    def zero_grad(self) -> None:
        self.table.grad = None

    @torch.no_grad()
    def step(self) -> None:
        gradient = self.table.grad
        if gradient is None:
            return
        if gradient.is_sparse:
            gradient = gradient.coalesce()
            rows, values = gradient.indices()[0], gradient.values()
        else:
            rows = gradient.abs().sum(1).nonzero().flatten()
            values = gradient[rows]
        self.owed += math.log1p(-self.learning_rate * self.l2)
        self._decay(rows)
        self.squares[rows] += values.square().mean(1)
        self.table[rows] -= self.learning_rate * values / (self.squares[rows].sqrt() + self.eps).unsqueeze(1)

    @torch.no_grad()
    def settle(self) -> None:
        """Every row pays what it owes; in place, because a copy of the table may not fit."""
        self.table.mul_(self._factors(self.log_decay).unsqueeze(1))
        self.log_decay.fill_(self.owed)

    def _decay(self, rows: Tensor) -> None:
        self.table[rows] *= self._factors(self.log_decay[rows]).unsqueeze(1)
        self.log_decay[rows] = self.owed

    def _factors(self, paid: Tensor) -> Tensor:
        return (self.owed - paid).exp().to(self.table.dtype)

    def scale_learning_rate(self, factor: float) -> None:
        self.learning_rate *= factor


def make_optimizers(
    network: Network,
    learning_rate: float,
    embedding_l2: float,
    weight_decay: float = 0.0,
    *,
    factor_l2: float | None = None,
) -> list[TableTrainer]:
    """Optimizers for a network: its large tables by row, everything else by one fused Adam.

    Tables whose vectors are multiplied take `factor_l2` (as much as the others where it is None).
    """
    decay = {"factorize": embedding_l2 if factor_l2 is None else factor_l2}
    tables = [(table, decay.get(choice, embedding_l2)) for choice, table in network.tables_by_choice()]
    known = {id(table) for table, _ in tables}
    others = [parameter for parameter in network.parameters() if id(parameter) not in known]
    groups: list[dict[str, Any]] = [
        {"params": [parameter for parameter in others if parameter.ndim < 2]},
        {"params": [parameter for parameter in others if parameter.ndim >= 2], "weight_decay": weight_decay},
    ]
    groups += [{"params": [table], "weight_decay": l2} for table, l2 in tables if not updated_by_row(table)]
    # Adagrad's steps shrink by themselves, so it begins with a larger rate than Adam's.
    rows = [RowAdagrad(table, 10 * learning_rate, l2) for table, l2 in tables if updated_by_row(table)]
    return [DenseAdam(groups, learning_rate), *rows]
