"""The weights of a finished training in one file, from which its network is built again without training."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from autofi.core.atomic_file import atomic_path
from autofi.model.network import Network
from autofi.training.fit import FitReport
from autofi.training.join_trees import JoinWeights

#: The names of the report without its predictions, and of these.
_REPORT, _PREDICTIONS = "report", "valid_predictions"


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
        if report.valid_predictions is not None:
            weights[_PREDICTIONS] = torch.from_numpy(report.valid_predictions)
        plain = {name: value for name, value in vars(report).items() if name != _PREDICTIONS}
        save_file(weights, part, metadata={_REPORT: json.dumps(plain)})


def read_weights(path: Path) -> TrainedWeights | None:
    """Return what `write_weights` wrote; None if the file is gone or damaged, or of another version's form."""
    try:
        with safe_open(path, framework="pt") as file:
            plain = json.loads((file.metadata() or {})[_REPORT])
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        predictions = weights.pop(_PREDICTIONS, None)
        report = FitReport(
            **plain
            | {
                "history": tuple((auc, logloss) for auc, logloss in plain["history"]),
                "decayed": tuple(plain["decayed"]),
                "boosted_weights": JoinWeights(*plain["boosted_weights"]),
                _PREDICTIONS: None if predictions is None else predictions.numpy(),
            }
        )
        return TrainedWeights(weights, report)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        return None
