"""Placement of a training's rows: on the device, in memory, or in files read by windows."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from autofi.core.memmap import memory_limit
from autofi.data.features import Features
from autofi.model.model import Model
from autofi.training.row_source import Rows, RowSource
from autofi.training.windowed_rows import WindowedRows

#: A window's share of the memory for rows: it is held twice, and once more while operators select it.
WINDOW_SHARE = 1 / 4
#: The share of a GPU's free memory for rows: the rest is for activations and for the optimizer.
GPU_SHARE = 1 / 2


def rows_for(
    network: Model,
    features: Features,
    labels: NDArray[np.float32],
    weights: NDArray[np.float32] | None = None,
    *,
    sharers: int = 1,
) -> RowSource:
    """Return the inputs of `network` for all rows, selected once if they fit in memory, else by windows.

    Args:
        sharers: Trainings that run at once and divide a GPU's memory between them.
    """
    # Labels take few bytes per row and are read at random, so they are copied out of their map.
    known = torch.from_numpy(np.array(labels, dtype=np.float32))
    weighed = None if weights is None else torch.from_numpy(np.array(weights, dtype=np.float32))
    each = max(1, bytes_per_row(network, features))
    if each * len(features) > memory_limit():
        window = max(1, int(memory_limit() * WINDOW_SHARE) // each)
        return WindowedRows(features, network.select, known, weighed, window)
    rows = Rows(network.select(features), known, weighed)
    return rows.to(network.device) if _fits(each * len(features) * sharers, network.device) else rows


def bytes_per_row(network: Model, features: Features) -> int:
    """Return the bytes that `network` reads of one row."""
    selected = network.select(features.rows(slice(0, 1)))
    return sum(tensor.numel() * tensor.element_size() for tensor in selected.values())


def _fits(size: int, device: torch.device) -> bool:
    return device.type != "cuda" or size <= torch.cuda.mem_get_info(device)[0] * GPU_SHARE
