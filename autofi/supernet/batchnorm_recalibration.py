"""Recalibration of batch normalization for one candidate, whose statistics differ from those of all trained paths."""

from __future__ import annotations

import torch
from torch import nn

from autofi.model.network import Network
from autofi.training.prefetch import on_device
from autofi.training.row_source import RowSource

#: Rows that suffice to estimate a mean and a standard deviation, and rows per batch.
ROWS, BATCH_ROWS = 16_384, 2048


@torch.no_grad()
def recalibrate(network: Network, rows: RowSource, index: torch.Tensor) -> None:
    """Recompute the running statistics of the active part on the first `ROWS` rows of `index`.

    Without batch normalization in the active part this does nothing.
    """
    network.eval()
    active = [
        *network.head.modules(),
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
