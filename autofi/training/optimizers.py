"""Optimizers: one fused Adam for small tables, one by row for large tables."""

from __future__ import annotations

from typing import Any, Protocol

import torch

from autofi.model.network import Network
from autofi.operators.base import updated_by_row
from autofi.space.training_config import TrainingSettings
from autofi.training.sparse_adam import RowAdam


class TableTrainer(Protocol):
    """The interface of an optimizer for the training loop."""

    def zero_grad(self) -> None: ...
    def step(self) -> object: ...
    def catch_up_all(self) -> None:
        """Bring every row up to date before the weights are read."""

    def release(self) -> None:
        """Settle, and detach from the network."""

    def scale_learning_rate(self, factor: float) -> None: ...


class DenseAdam:
    """Fused Adam over whole parameters.

    L2 on tables is coupled (added to the gradient of every row, in the batch or not), as in the published
    configurations: rows that no batch touches shrink, which keeps rare values from overfitting.
    """

    def __init__(self, groups: list[dict[str, Any]], learning_rate: float) -> None:
        self.adam = torch.optim.Adam(groups, lr=learning_rate, fused=True)

    def zero_grad(self) -> None:
        self.adam.zero_grad(set_to_none=True)

    def step(self) -> None:
        self.adam.step()

    def catch_up_all(self) -> None:
        """Do nothing: every step already updates every row."""

    def release(self) -> None:
        """Do nothing: the network holds no reference to this optimizer."""

    def scale_learning_rate(self, factor: float) -> None:
        for group in self.adam.param_groups:
            group["lr"] *= factor


def optimizers_of(network: Network, settings: TrainingSettings) -> list[TableTrainer]:
    """Return the optimizers for an architecture's settings."""
    return make_optimizers(
        network,
        settings.learning_rate,
        settings.embedding_l2,
        settings.weight_decay,
        factor_l2=settings.factor_l2,
    )


def make_optimizers(
    network: Network,
    learning_rate: float,
    embedding_l2: float,
    weight_decay: float = 0.0,
    *,
    factor_l2: float | None = None,
) -> list[TableTrainer]:
    """Return optimizers for a network: its large tables by row, everything else by one fused Adam.

    Args:
        factor_l2: L2 of tables whose vectors are multiplied; None for that of the others.
    """
    multiplied = {id(table) for table in network.multiplied_tables()}
    of_multiplied = embedding_l2 if factor_l2 is None else factor_l2
    tables = [
        (table, of_multiplied if id(table) in multiplied else embedding_l2) for table in network.tables()
    ]
    # Gates have their own update while they learn.
    known = {id(parameter) for parameter in (*(table for table, _ in tables), *network.gates())}
    others = [parameter for parameter in network.parameters() if id(parameter) not in known]
    groups: list[dict[str, Any]] = [
        {"params": [parameter for parameter in others if parameter.ndim < 2]},
        {"params": [parameter for parameter in others if parameter.ndim >= 2], "weight_decay": weight_decay},
    ]
    groups += [{"params": [table], "weight_decay": l2} for table, l2 in tables if not updated_by_row(table)]
    rows = [RowAdam(table, learning_rate, l2) for table, l2 in tables if updated_by_row(table)]
    return [DenseAdam(groups, learning_rate), *rows]
