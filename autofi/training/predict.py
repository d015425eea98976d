"""Predictions of a network for rows, and the weights of the network and of boosted trees in them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from autofi.model.model import BOOSTED, Model
from autofi.model.network import Network
from autofi.training.join_trees import Joined, JudgedRows, join
from autofi.training.prefetch import on_device
from autofi.training.row_source import Rows, RowSource

#: Rows scored at once when no gradient is needed: few enough that intermediate results stay in the cache, and that the
#: system is not asked for new memory each time (eight heads of 400 units take half as long again with 4,096 rows).
SCORING_ROWS = 1024
#: Rows scored at once on a GPU, where every piece has a launch cost.
GPU_SCORING_ROWS = 4096

Probabilities = NDArray[np.float64]


def predict(network: Model, rows: RowSource, index: Tensor | None = None) -> Probabilities:
    """Return the click probabilities of all rows, or those of `index`, float64 `[N]`."""
    return _each(network, rows, lambda piece: network(piece.selected), index).sigmoid().cpu().numpy()


def set_join_weights(network: Network, rows: RowSource, judged: JudgedRows) -> Joined:
    """Set the weights of a network and its boosted trees by rows, which are `judged` too; see `join`."""
    assert network.boosted_weights is not None
    joined = join(own_logits(network, rows) if network.operators else None, judged)
    network.boosted_weights.copy_(torch.tensor(joined.weights))
    return joined


def judged_rows(network: Network, rows: RowSource, together: NDArray[np.int64] | None = None) -> JudgedRows:
    """Return the trees' logit, labels, weights and folds of rows; those of one number in `together` share a fold."""
    trees = _each(network, rows, lambda piece: piece.selected[BOOSTED])
    weights = None if rows.weights is None else rows.weights.cpu().double().numpy()
    return JudgedRows.of(trees.cpu().numpy(), rows.labels.cpu().double().numpy(), weights, together)


def own_logits(network: Network, rows: RowSource) -> NDArray[np.float64]:
    """Return the logits of the network alone, `[N]`."""
    return _each(network, rows, lambda piece: network.own_logits(piece.selected)).cpu().numpy()


@torch.no_grad()
def _each(
    network: Model, rows: RowSource, read: Callable[[Rows], Tensor], index: Tensor | None = None
) -> Tensor:
    """Return the results of `read` for pieces of the rows, concatenated, float64 `[N]`."""
    network.eval()
    count = len(rows) if index is None else len(index)
    found = torch.empty(count, dtype=network.dtype, device=network.device)
    done = 0
    size = SCORING_ROWS if network.device.type == "cpu" else GPU_SCORING_ROWS
    for piece in on_device(rows.pieces(size, index), network.device):
        found[done : done + len(piece)] = read(piece)
        done += len(piece)
    return found.double()
