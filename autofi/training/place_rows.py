"""Where the rows of a training are kept: on the device, in memory beside it, or in files read by windows."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from autofi.core.memmap import memory_limit
from autofi.data.features import Features
from autofi.model.network import Network
from autofi.training.row_source import Rows, RowSource
from autofi.training.windowed_rows import WindowedRows

#: Of what rows may take in memory, a window: it is held twice, and once more while operators select it.
WINDOW_SHARE = 1 / 4
#: Of a GPU's free memory, what rows may take: the rest is for activations and for the optimizer.
GPU_SHARE = 1 / 2


def rows_for(
    network: Network,
    features: Features,
    labels: NDArray[np.float32],
    weights: NDArray[np.float32] | None = None,
    *,
    sharers: int = 1,
) -> RowSource:
    """What `network` reads of all rows: selected once where that fits in memory, else by windows.

    `sharers` trainings at once divide a GPU's memory between them.
    """
    # Labels are few bytes a row and read at random: copied out of their map.
    known = torch.from_numpy(np.array(labels, dtype=np.float32))
    weighed = None if weights is None else torch.from_numpy(np.array(weights, dtype=np.float32))
    each = max(1, bytes_per_row(network, features))
    if each * len(features) > memory_limit():
        window = max(1, int(memory_limit() * WINDOW_SHARE) // each)
        return WindowedRows(features, network.select, known, weighed, window)
    rows = Rows(network.select(features), known, weighed)
    return rows.to(network.device) if _fits(each * len(features) * sharers, network.device) else rows


def bytes_per_row(network: Network, features: Features) -> int:
    """Bytes that `network` reads of one row."""
    selected = network.select(features.rows(slice(0, 1)))
    return sum(tensor.numel() * tensor.element_size() for tensor in selected.values())


def _fits(size: int, device: torch.device) -> bool:
    return device.type != "cuda" or size <= torch.cuda.mem_get_info(device)[0] * GPU_SHARE
