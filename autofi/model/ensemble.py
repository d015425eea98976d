"""An ensemble of trained networks: the weighted mean of their probabilities, as one function of the same features."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from autofi.errors import InvalidArchitectureError
from autofi.model.ensemble_head import mean_logit
from autofi.model.model import BOOSTED, Mask, Model
from autofi.model.network import Network
from autofi.operators.feature_tensors import FeatureTensors

#: The largest distance of the sum of weights from 1.
ROUNDING = 1e-9


class Ensemble(Model):
    """The logit of the weighted mean probability of networks that read the features of one builder.

    The inputs of member K are those of its network under names that begin with `K.`; the logit of boosted trees, which
    all members share, is there once. The result is a logit, so that calibration and scoring are those of a network.
    """

    def __init__(self, networks: Sequence[Network], weights: Sequence[float]) -> None:
        """Join trained networks, which are in eval mode from then on.

        Raises:
            InvalidArchitectureError: The weights are not one positive number per network with the sum 1.
        """
        super().__init__()
        if not networks or len(networks) != len(weights):
            raise InvalidArchitectureError(
                f"An ensemble of {len(networks)} networks has {len(weights)} weights; give one weight to each network."
            )
        if not all(0 < weight <= 1 for weight in weights) or abs(math.fsum(weights) - 1) > ROUNDING:
            raise InvalidArchitectureError(
                f"The weights of an ensemble are {', '.join(f'{weight:g}' for weight in weights)}; they must be above "
                "0 and add up to 1."
            )
        self.members = nn.ModuleList(networks)
        self.weights = tuple(weights)
        self.register_buffer(
            "log_weights", torch.tensor(weights, dtype=torch.float64).log().float(), persistent=False
        )
        self.eval()

    log_weights: Tensor

    def networks(self) -> dict[str, Network]:
        return {f"{number}.": self._member(number) for number in range(len(self.members))}

    def _member(self, number: int) -> Network:
        member = self.members[number]
        assert isinstance(member, Network)
        return member

    @property
    def trees_share(self) -> float:
        """The weighted mean of the members' weights; exact for the logit only where all members are alike."""
        networks = self.networks().values()
        return math.fsum(
            weight * network.trees_share for weight, network in zip(self.weights, networks, strict=True)
        )

    def read(self, features: FeatureTensors) -> dict[str, Tensor]:
        selected: dict[str, Tensor] = {}
        for prefix, network in self.networks().items():
            for name, inputs in network.read(features).items():
                selected[name if name == BOOSTED else prefix + name] = inputs
        return selected

    def forward(self, selected: Mapping[str, Tensor], mask: Mask | None = None) -> Tensor:
        logits = [
            network(_own(prefix, selected), None if mask is None else _own(prefix, mask))
            for prefix, network in self.networks().items()
        ]
        return mean_logit(torch.stack(logits, 1), self.log_weights)


def _own(prefix: str, given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of one member under its own names, and the shared logit of boosted trees."""
    own = {name.removeprefix(prefix): tensor for name, tensor in given.items() if name.startswith(prefix)}
    return own | {BOOSTED: given[BOOSTED]} if BOOSTED in given else own
