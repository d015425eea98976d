"""Learning which gates to close (OptFS): continuation, a penalty that evidence must outweigh, and rewinding."""

from __future__ import annotations

import torch
from torch import Tensor

from autofi.model.network import Network
from autofi.operators.gates import GatedTable
from autofi.training.best import BestWeights
from autofi.training.optimizers import make_optimizers
from autofi.training.rows import RowSource
from autofi.training.settings import TrainingSettings
from autofi.training.steps import train_rows

#: Rows counted at once.
COUNTED_ROWS = 1 << 16


def close_gates(
    network: Network,
    train: RowSource,
    settings: TrainingSettings,
    generator: torch.Generator,
    *,
    index: Tensor | None = None,
) -> None:
    """Train a gated network for `gate_epochs` with a temperature that rises from 1 to `gate_temperature`, close the
    gates whose weight is not above zero, and give what is left the weights it had at the start of `gate_rewind`.

    The gates minimise the logloss summed over all training rows, and `gate_penalty` for every open one: a value stays
    that saves more than so many nats. Plain gradient steps, for under Adam every gate that the loss is silent about,
    such as a rare value's, closes at the same pace whatever the penalty is. A network without gates is left alone.
    """
    operators = {
        name: operator
        for name, operator in network.operators.items()
        if isinstance(operator, GatedTable) and operator.gates is not None
    }
    if not operators:
        return
    optimizers = make_optimizers(
        network,
        settings.learning_rate,
        settings.embedding_l2,
        settings.weight_decay,
        factor_l2=settings.factor_l2,
    )
    gates = [
        GateTrainer(operator, _reads(operator, name, train, index), train, index, settings)
        for name, operator in operators.items()
    ]
    begun = BestWeights()
    for epoch in range(settings.gate_epochs):
        if epoch == settings.gate_rewind:
            for optimizer in optimizers:
                optimizer.settle()
            begun.keep(network)
        for operator in operators.values():
            operator.temperature = settings.gate_temperature ** (epoch / max(settings.gate_epochs - 1, 1))
        for period in train.shuffled(generator, index=index):
            batches = train.batches(period, settings.batch_size)
            train_rows(network, batches, [*optimizers, *gates], settings.loss)
    for optimizer in optimizers:
        optimizer.release()
    learned = [trainer.gates.detach().clone() for trainer in gates]
    begun.restore(network)
    for trainer, weights in zip(gates, learned, strict=True):
        trainer.gates.data.copy_(weights)
        trainer.operator.close()


class GateTrainer:
    """Gradient steps of one operator's gates: of the loss of all rows, not their mean.

    A gate that many rows of a batch read would move by all of their gradients at once: its steps, of loss and of
    penalty alike, are divided by that number, which leaves the sign of their sum as it is. They are divided by the
    temperature as well, which both are multiplied by. A step touches every gate once, for the penalty.
    """

    def __init__(
        self,
        operator: GatedTable,
        reads: Tensor,
        train: RowSource,
        index: Tensor | None,
        settings: TrainingSettings,
    ) -> None:
        assert operator.gates is not None
        self.operator, self.gates = operator, operator.gates
        rows = len(train) if index is None else len(index)
        self.batch = min(settings.batch_size, rows)
        self.penalty = settings.gate_penalty * self.batch / rows
        self.rate = settings.gate_learning_rate / (reads * self.batch / rows).clamp(min=1).unsqueeze(1)

    def zero_grad(self) -> None:
        self.gates.grad = None

    @torch.no_grad()
    def step(self) -> None:
        temperature = self.operator.temperature
        opened = torch.sigmoid(temperature * self.gates)
        move = self.penalty * opened * (1 - opened)
        if self.gates.grad is not None:
            move = move + self.gates.grad * (self.batch / temperature)
        self.gates.sub_(self.rate * move)

    def settle(self) -> None:
        """Nothing is owed: every step touches every gate."""

    def release(self) -> None:
        """Nothing of the operator knows this trainer."""

    def scale_learning_rate(self, factor: float) -> None:
        self.rate *= factor


@torch.no_grad()
def _reads(operator: GatedTable, name: str, train: RowSource, index: Tensor | None) -> Tensor:
    """How many rows of the training read each gate, float32."""
    assert operator.gates is not None
    rows = sum(operator.slot_rows)
    counts = torch.zeros(rows, device=operator.table.device)
    for piece in train.pieces(COUNTED_ROWS, index):
        read = piece.selected[name].to(counts.device) + operator.offsets
        counts += torch.bincount(read.flatten(), minlength=rows)
    return operator.by_gate(counts)
