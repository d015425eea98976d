"""What a network predicts of rows, and how much of that is left to boosted trees."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from autofi.model.network import BOOSTED, Network
from autofi.training.copies import on_device
from autofi.training.rows import Rows, RowSource

#: Rows scored at once when no gradient is needed: few enough that what lies between the layers stays in the cache.
SCORING_ROWS = 4096
#: Shares of boosted trees that are compared: near the best one the logloss is flat.
SHARES = tuple(step / 20 for step in range(21))

Probabilities = npt.NDArray[np.float64]


def predict(network: Network, rows: RowSource, index: Tensor | None = None) -> Probabilities:
    """Click probabilities of all rows, or those of `index`, float64 `[N]`."""
    return _each(network, rows, lambda piece: network(piece.selected), index).sigmoid().cpu().numpy()


def settle(network: Network, rows: RowSource) -> Probabilities:
    """Give boosted trees the share with which these rows have the lowest logloss; what is predicted then.

    None where that is not better than the network alone by more than its standard error: what the trees cost should
    earn something. Without trees it is `predict`.
    """
    if network.boosted_share is None:
        return predict(network, rows)
    own = _each(network, rows, lambda piece: network.own_logits(piece.selected)).cpu()
    trees = _each(network, rows, lambda piece: piece.selected[BOOSTED]).cpu()
    labels = rows.labels.cpu().double()
    weights = torch.ones_like(labels) if rows.weights is None else rows.weights.cpu().double()
    weights = weights / weights.sum()

    def losses(share: float) -> Tensor:
        mixed = torch.lerp(own, trees, share)
        return nn.functional.binary_cross_entropy_with_logits(mixed, labels, reduction="none")

    best = min(SHARES, key=lambda share: float(weights @ losses(share)))
    gains = losses(0.0) - losses(best)
    gain = weights @ gains
    if gain <= (weights.square() @ (gains - gain).square()).sqrt():
        best = 0.0
    network.boosted_share.fill_(best)
    return torch.lerp(own, trees, best).sigmoid().numpy()


@torch.no_grad()
def _each(
    network: Network, rows: RowSource, read: Callable[[Rows], Tensor], index: Tensor | None = None
) -> Tensor:
    """What is read of pieces of the rows, end to end, float64 `[N]`."""
    network.eval()
    count = len(rows) if index is None else len(index)
    found = torch.empty(count, dtype=network.readout.bias.dtype, device=network.device)
    done = 0
    for piece in on_device(rows.pieces(SCORING_ROWS, index), network.device):
        found[done : done + len(piece)] = read(piece)
        done += len(piece)
    return found.double()
