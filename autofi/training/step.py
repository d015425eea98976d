"""One gradient step per batch: what every training is made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from torch import nn

from autofi.model.network import Network
from autofi.space.training_config import TrainingSettings
from autofi.training.losses import LOSSES, mean_loss
from autofi.training.optimizers import TableTrainer
from autofi.training.precision import fast_products
from autofi.training.prefetch import on_device
from autofi.training.row_source import Rows


def train_rows(
    network: Network,
    batches: Iterable[Rows],
    optimizers: Sequence[TableTrainer],
    settings: TrainingSettings = TrainingSettings(),
) -> int:
    """One step per batch, with the loss and the longest gradient of `settings`; returns the steps taken."""
    network.train()
    total = LOSSES[settings.loss] if network.branched else mean_loss
    steps = 0
    for batch in on_device(batches, network.device):
        with fast_products(batch.labels.device):
            logits = network(batch.selected)
        mean = total(logits.float(), batch.labels, batch.weights)
        for optimizer in optimizers:
            optimizer.zero_grad()
        mean.backward()
        if settings.gradient_norm:
            _shorten(network.parameters(), settings.gradient_norm)
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
    factor = most / nn.utils.get_total_norm(gradients).clamp_min(most)
    for gradient in gradients:
        gradient.mul_(factor)
