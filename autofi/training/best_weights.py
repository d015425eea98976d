"""The best weights of a training so far."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from autofi.core.memmap import empty_rows, release
from autofi.model.network import Network
from autofi.operators.base import updated_by_row


class BestWeights:
    """A copy of a network's weights, which a better one overwrites.

    For a large table, memory already holds the rows and their two moments; a copy would be as large again, and is kept
    in a file.
    """

    def __init__(self) -> None:
        self._kept: dict[str, Tensor] = {}
        self._files: list[NDArray[np.float32]] = []

    def keep(self, network: Network) -> None:
        """Copy the present weights."""
        for name, tensor in network.state_dict().items():
            if name not in self._kept:
                self._kept[name] = self._room_for(tensor)
            self._kept[name].copy_(tensor)
        release(*self._files)

    def restore(self, network: Network) -> None:
        """Restore the copied weights; without a copy, leave the network unchanged."""
        if self._kept:
            network.load_state_dict(self._kept)
            release(*self._files)

    def _room_for(self, tensor: Tensor) -> Tensor:
        if tensor.device.type != "cpu" or tensor.dim() != 2 or not updated_by_row(tensor):
            return torch.empty_like(tensor)
        file = empty_rows(tuple(tensor.shape), tensor.numpy().dtype, mapped=True)
        self._files.append(file)
        return torch.from_numpy(file)
