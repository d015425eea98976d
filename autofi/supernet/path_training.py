"""Training of a supernet by random paths: every group of a few rows of a batch draws an option per slot."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from autofi.core.malloc import kept_memory
from autofi.space.sections import Sampling
from autofi.supernet.path_sampling import draw_options, draw_streams, option_shares
from autofi.supernet.supernet import Supernet
from autofi.training.optimizers import make_optimizers
from autofi.training.prefetch import on_device
from autofi.training.row_source import RowSource, steps_in
from autofi.training.seeding import own_randomness
from autofi.training.step import batch_loss, train_step

#: Rows that share a drawn path: few enough for many paths per step, enough for the mask to stay cheap.
GROUP_ROWS = 16


@kept_memory()
@own_randomness
def train_by_paths(
    supernet: Supernet,
    rows: RowSource,
    *,
    index: Tensor,
    epochs: int,
    learning_rate: float,
    embedding_l2: float,
    batch_size: int,
    generator: torch.Generator,
    sampling: Sampling = "uniform",
    on_epoch: Callable[[int], None] | None = None,
) -> None:
    """Train `supernet` on the rows of `index`; Adam's learning rate falls linearly to a hundredth.

    By default paths are uniform: no option is preferred while weights are learned, so the differences between options
    that are measured afterwards do not depend on what the training favored early. With several sets of streams, every
    step trains one set, or none.
    """
    optimizers = make_optimizers(supernet, learning_rate, embedding_l2)
    shares, streams = option_shares(supernet), draw_streams(supernet, generator)
    supernet.train()
    for epoch in range(epochs):
        (period,) = rows.shuffled(generator, index=index)
        steps = steps_in(period, batch_size)
        taken = epoch * steps
        for batch in on_device(rows.batches(period, batch_size), supernet.device):
            groups = -(-len(batch) // GROUP_ROWS)
            mask = supernet.path_mask(draw_options(shares, groups, sampling, generator), len(batch))
            supernet.choose_streams(next(streams))
            train_step(batch_loss(supernet, batch, mask), optimizers)
            taken += 1
            for optimizer in optimizers:
                optimizer.scale_learning_rate(
                    _rate(taken / (epochs * steps)) / _rate((taken - 1) / (epochs * steps))
                )
        if on_epoch is not None:
            on_epoch(epoch + 1)
    for optimizer in optimizers:
        optimizer.release()
    supernet.choose_streams(None)


def _rate(progress: float) -> float:
    return 1.0 - 0.99 * progress
