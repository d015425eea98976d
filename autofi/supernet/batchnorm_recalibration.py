"""Batch normalisation of a candidate: its own means and deviations instead of those of all paths that were trained."""

from __future__ import annotations

import torch
from torch import nn

from autofi.model.network import Network
from autofi.training.prefetch import on_device
from autofi.training.row_source import RowSource

#: Rows that are enough for a mean and a deviation, and rows of a batch.
ROWS, BATCH_ROWS = 16_384, 2048


@torch.no_grad()
def recalibrate(network: Network, rows: RowSource, index: torch.Tensor) -> None:
    """Take the running statistics anew from the first `ROWS` rows of `index`, as the network is active now.

    Only of what the active part normalises; nothing is done where it has no batch normalisation.
    """
    network.eval()
    active = [
        *network.readout.modules(),
        *(m for stream in network.active_streams() for m in stream.modules()),
    ]
    norms = [module for module in active if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over batches
        norm.train()
    for batch in on_device(rows.pieces(BATCH_ROWS, index[:ROWS]), network.device):
        network(batch.selected)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()
