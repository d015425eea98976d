"""One gradient step per batch, the common part of all trainings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from autofi.model.network import Network
from autofi.space.training_config import TrainingSettings
from autofi.training.losses import LOSSES, mean_loss
from autofi.training.optimizers import DenseAdam, TableTrainer
from autofi.training.precision import fast_products
from autofi.training.prefetch import on_device
from autofi.training.row_source import Rows


def train_rows(
    network: Network,
    batches: Iterable[Rows],
    optimizers: Sequence[TableTrainer],
    settings: TrainingSettings = TrainingSettings(),
) -> int:
    """Take one step per batch, with the loss and the gradient limit of `settings`, and return the steps taken."""
    network.train()
    total = LOSSES[settings.loss] if network.branched else mean_loss
    steps = 0
    for batch in on_device(batches, network.device):
        loss = batch_loss(network, batch, total=total)
        train_step(loss, optimizers, parameters=network.parameters(), gradient_norm=settings.gradient_norm)
        steps += 1
    return steps


def batch_loss(
    model: nn.Module,
    batch: Rows,
    *mask: Any,
    total: Callable[[Tensor, Tensor, Tensor | None], Tensor] = mean_loss,
) -> Tensor:
    """Return the loss of a batch: the model's matrix products in `fast_products`, the loss itself in float32.

    Args:
        model: Takes the inputs of a batch and gives logits, `[B]` or `[B, K]`.
        batch: The rows.
        mask: Further arguments of the model, such as the mask of a supernet.
        total: The loss of logits, labels and weights.
    """
    with fast_products(batch.labels.device):
        logits = model(batch.selected, *mask)
    return total(logits.float(), batch.labels, batch.weights)


def train_step(
    loss: Tensor,
    optimizers: Sequence[TableTrainer],
    *,
    parameters: Iterable[nn.Parameter] = (),
    gradient_norm: float = 0.0,
) -> None:
    """Take one step of all optimizers down the gradient of a loss.

    Args:
        loss: A scalar.
        optimizers: The optimizers of all parameters that learn.
        parameters: The parameters whose gradient's norm is limited.
        gradient_norm: The largest norm of the gradient; a longer one is scaled down to it, and 0 is no limit.
    """
    for optimizer in optimizers:
        optimizer.zero_grad()
    loss.backward()
    if gradient_norm:
        _shorten(parameters, gradient_norm)
    for optimizer in optimizers:
        optimizer.step()


def step_of_choices(loss: Tensor, choices: Sequence[Tensor], optimizer: DenseAdam) -> None:
    """Take one step of the choices' weights alone, without computing or leaving gradients of the network."""
    gradients = torch.autograd.grad(loss, choices)
    for weight, gradient in zip(choices, gradients, strict=True):
        weight.grad = gradient
    optimizer.step()


def _shorten(parameters: Iterable[nn.Parameter], most: float) -> None:
    """Scale all gradients by the same factor, so that their common norm is at most `most`."""
    gradients = []
    for parameter in parameters:
        if parameter.grad is None:
            continue
        if parameter.grad.is_sparse:
            # A row that a batch reads twice is in the gradient twice.
            parameter.grad = parameter.grad.coalesce()
        gradients.append(parameter.grad.values() if parameter.grad.is_sparse else parameter.grad)
    factor = most / nn.utils.get_total_norm(gradients).clamp_min(most)
    for gradient in gradients:
        gradient.mul_(factor)
