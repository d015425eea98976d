"""One gradient step per batch: what every training is made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from torch import nn

from autofi.model.network import Network
from autofi.training.copies import on_device
from autofi.training.losses import LOSSES, LossName, mean_loss
from autofi.training.optimizers import TableTrainer
from autofi.training.precision import fast_products
from autofi.training.rows import Rows


def train_rows(
    network: Network,
    batches: Iterable[Rows],
    optimizers: Sequence[TableTrainer],
    loss: LossName = "bce",
    gradient_norm: float = 0.0,
) -> int:
    """One step per batch; returns the steps taken. `loss` matters to branched networks only.

    A gradient longer than `gradient_norm`, all parameters together, is shortened to that; 0 leaves it as it is.
    """
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
        if gradient_norm:
            _shorten(network.parameters(), gradient_norm)
        for optimizer in optimizers:
            optimizer.step()
        steps += 1
    return steps


def _shorten(parameters: Iterable[nn.Parameter], most: float) -> None:
    """Scale all gradients by the same factor, so that together they are at most that long."""
    gradients = []
    for parameter in parameters:
        if parameter.grad is None:
            continue
        if parameter.grad.is_sparse:
            # A row that a batch reads twice is there twice.
            parameter.grad = parameter.grad.coalesce()
        gradients.append(parameter.grad.values() if parameter.grad.is_sparse else parameter.grad)
    factor = (most / nn.utils.get_total_norm(gradients).clamp_min(most)).detach()
    for gradient in gradients:
        gradient.mul_(factor)
