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
    """One copy of a network's weights, written over by a better one.

    Of a large table memory holds the rows and their two moments; a copy of all of it would be a fourth of the kind,
    and lies in a file.
    """

    def __init__(self) -> None:
        self._kept: dict[str, Tensor] = {}
        self._files: list[NDArray[np.float32]] = []

    def keep(self, network: Network) -> None:
        """Copy the weights as they are."""
        for name, tensor in network.state_dict().items():
            if name not in self._kept:
                self._kept[name] = self._room_for(tensor)
            self._kept[name].copy_(tensor)
        release(*self._files)

    def restore(self, network: Network) -> None:
        """Give the copied weights back; where none were copied, leave the network as it is."""
        if self._kept:
            network.load_state_dict(self._kept)
            release(*self._files)

    def _room_for(self, tensor: Tensor) -> Tensor:
        if tensor.device.type != "cpu" or tensor.dim() != 2 or not updated_by_row(tensor):
            return torch.empty_like(tensor)
        file = empty_rows(tuple(tensor.shape), tensor.numpy().dtype, mapped=True)
        self._files.append(file)
        return torch.from_numpy(file)
