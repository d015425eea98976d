"""The function that a bundle delivers, from selected features to the logit of a click: one network or several."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from autofi.data.features import Features
from autofi.errors import InvalidArchitectureError
from autofi.operators.feature_tensors import FeatureTensors

if TYPE_CHECKING:
    from autofi.model.network import Network

#: By operator, a weight per slot, `[S]` or `[B, S]`: 0 leaves the slot out. By stream, if its name is there, the weight
#: of its logit, `[1]` or `[B, 1]`. Names are those of a selection, with the prefix of a member.
Mask = Mapping[str, Tensor]
#: The key of the boosted trees' logit in a selection, next to the operators' inputs.
BOOSTED = "boosted"


class Model(nn.Module, ABC):
    """A logit from selected features, by one network or by the members of an ensemble.

    All that scores, exports, measures or explains a trained model reads it through this interface.
    """

    @abstractmethod
    def networks(self) -> Mapping[str, Network]:
        """Return the networks by their prefix of names in a selection and in a mask; "" for a network alone."""

    @abstractmethod
    def read(self, features: FeatureTensors) -> dict[str, Tensor]:
        """Return the inputs of `select` by torch operations only, so that an exported graph can compute them."""

    @abstractmethod
    def forward(self, selected: Mapping[str, Tensor], mask: Mask | None = None) -> Tensor:
        """Return the logits of selected rows, `[B]`, with slots and streams weighed by `mask`."""

    @property
    @abstractmethod
    def trees_share(self) -> float:
        """The weight of the boosted trees' logit in the output; 0 without trees."""

    def select(self, features: Features) -> dict[str, Tensor]:
        """Return the input of every operator, `[N, ...]` each; a batch is the same rows of all of them."""
        if features.boosted is None and self.boosted:
            raise InvalidArchitectureError(
                "The features have no logit of boosted trees, which the network needs; build them with its own builder."
            )
        return self.read(FeatureTensors.of(features))

    @property
    def boosted(self) -> bool:
        """True if boosted trees have a weight in its output."""
        return self.trees_share > 0

    @property
    def device(self) -> torch.device:
        """The device of its weights."""
        return self._bias.device

    @property
    def dtype(self) -> torch.dtype:
        """The type of its logits."""
        return self._bias.dtype

    @property
    def _bias(self) -> Tensor:
        return next(iter(self.networks().values())).head.bias

    def table_bytes(self) -> int:
        """Return the bytes of the lookup tables."""
        tables = (table for network in self.networks().values() for table in network.tables())
        return sum(table.numel() * table.element_size() for table in tables)

    def table_rows(self) -> int:
        """Return the number of rows of the lookup tables."""
        return sum(len(table) for network in self.networks().values() for table in network.tables())

    def num_parameters(self) -> int:
        """Return the number of parameters."""
        return sum(parameter.numel() for parameter in self.parameters())
