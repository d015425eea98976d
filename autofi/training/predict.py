"""Predictions of a network for rows, and the weight of boosted trees in them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from autofi.model.network import BOOSTED, Network
from autofi.training.prefetch import on_device
from autofi.training.row_source import Rows, RowSource

#: Rows scored at once when no gradient is needed: few enough that intermediate results stay in the cache, and that the
#: system is not asked for new memory each time (eight heads of 400 units take half as long again with 4,096 rows).
SCORING_ROWS = 1024
#: Rows scored at once on a GPU, where every piece has a launch cost.
GPU_SCORING_ROWS = 4096
#: The ridge that keeps the weights of two logits small if one hardly varies; it is negligible next to a mean logloss.
RIDGE = 1e-3

Probabilities = npt.NDArray[np.float64]


def predict(network: Network, rows: RowSource, index: Tensor | None = None) -> Probabilities:
    """Return the click probabilities of all rows, or those of `index`, float64 `[N]`."""
    return _each(network, rows, lambda piece: network(piece.selected), index).sigmoid().cpu().numpy()


def fit_tree_weight(network: Network, rows: RowSource) -> Probabilities:
    """Set the weight of boosted trees by these rows, and return the resulting predictions.

    The two logits are combined by a logistic regression on both. Trees get no weight, and the network's logit stays
    unchanged, unless the regression is better than one on the network's logit alone by more than the standard error of
    that gain: the cost of trees must be earned. Without trees it is `predict`.
    """
    if network.boosted_weights is None:
        return predict(network, rows)
    own = _each(network, rows, lambda piece: network.own_logits(piece.selected)).cpu()
    trees = _each(network, rows, lambda piece: piece.selected[BOOSTED]).cpu()
    labels = rows.labels.cpu().double()
    weights = torch.ones_like(labels) if rows.weights is None else rows.weights.cpu().double()
    weights = weights / weights.sum()
    joined = torch.tensor([1.0, 0.0], dtype=torch.float64)
    found = _regression(torch.stack([own, trees], 1), labels, weights)
    alone = _regression(own.unsqueeze(1), labels, weights)
    if found[0] < 0:  # trees predict everything that the network does, and better
        found = torch.cat([torch.zeros_like(found[:1]), _regression(trees.unsqueeze(1), labels, weights)])
    if found[1] > 0:
        gains = _losses(own * alone[0], labels) - _losses(own * found[0] + trees * found[1], labels)
        gain = weights @ gains
        if gain > (weights.square() @ (gains - gain).square()).sqrt():
            joined = found
    network.boosted_weights.copy_(joined)
    return (own * joined[0] + trees * joined[1]).sigmoid().numpy()


def _regression(columns: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Return the weights `[C]` of columns `[N, C]` with the lowest logloss."""
    # The import takes as long as torch's, and only trees combined with a network need it.
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=1 / RIDGE, fit_intercept=False, tol=1e-8, max_iter=1000)
    model.fit(columns.numpy(), labels.numpy(), sample_weight=weights.numpy())
    return torch.from_numpy(model.coef_[0])


def _losses(logits: Tensor, labels: Tensor) -> Tensor:
    return nn.functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")


@torch.no_grad()
def _each(
    network: Network, rows: RowSource, read: Callable[[Rows], Tensor], index: Tensor | None = None
) -> Tensor:
    """Return the results of `read` for pieces of the rows, concatenated, float64 `[N]`."""
    network.eval()
    count = len(rows) if index is None else len(index)
    found = torch.empty(count, dtype=network.head.bias.dtype, device=network.device)
    done = 0
    size = SCORING_ROWS if network.device.type == "cpu" else GPU_SCORING_ROWS
    for piece in on_device(rows.pieces(size, index), network.device):
        found[done : done + len(piece)] = read(piece)
        done += len(piece)
    return found.double()
