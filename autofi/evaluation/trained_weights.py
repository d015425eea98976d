"""The weights of a finished training in one file, from which its network is built again without training."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from autofi.core.atomic_file import atomic_path
from autofi.model.network import Network
from autofi.training.fit import FitReport

_REPORT = "report"


@dataclass(frozen=True, eq=False)
class TrainedWeights:
    """The weights of a network, by name, and the report of their training."""

    weights: Mapping[str, Tensor]
    report: FitReport

    def fit(self, network: Network) -> bool:
        """Return True if the network has weights of these names and shapes."""
        shapes = {name: value.shape for name, value in network.state_dict().items()}
        return shapes == {name: value.shape for name, value in self.weights.items()}


def write_weights(path: Path, network: Network, report: FitReport) -> None:
    """Write the weights of a trained network and the report of its training, as a whole or not at all.

    Raises:
        OSError: The file system refuses.
    """
    weights = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as part:
        save_file(weights, part, metadata={_REPORT: json.dumps(asdict(report))})


def read_weights(path: Path) -> TrainedWeights | None:
    """Return what `write_weights` wrote; None if the file is gone or damaged, or of another version's form."""
    try:
        with safe_open(path, framework="pt") as file:
            report = TypeAdapter(FitReport).validate_python(json.loads((file.metadata() or {})[_REPORT]))
            return TrainedWeights({name: file.get_tensor(name) for name in file.keys()}, report)  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, ValueError):
        return None
