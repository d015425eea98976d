"""One gradient step per batch: what every training is made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from autofi.model.network import Network
from autofi.training.copies import on_device
from autofi.training.losses import LOSSES, LossName, mean_loss
from autofi.training.optimizers import TableTrainer
from autofi.training.precision import fast_products
from autofi.training.rows import Rows


def train_rows(
    network: Network, batches: Iterable[Rows], optimizers: Sequence[TableTrainer], loss: LossName = "bce"
) -> int:
    """One step per batch; returns the steps taken. `loss` matters to branched networks only."""
    network.train()
    total = LOSSES[loss] if network.branched else mean_loss
    steps = 0
    for batch in on_device(batches, network.device):
        with fast_products(batch.labels.device):
            logits = network(batch.selected)
        mean = total(logits.float(), batch.labels, batch.weights)
        for optimizer in optimizers:
            optimizer.zero_grad()
        mean.backward()
        for optimizer in optimizers:
            optimizer.step()
        steps += 1
    return steps
