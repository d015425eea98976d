"""The network of a bundle as a program of torch operations, from features to the probability of a click."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from autofi.bundle.calibration_layer import CalibrationLayer
from autofi.bundle.network_reads import Reads
from autofi.bundle.torch_exporter_logging import quiet_logger
from autofi.data.feature_builder import FeatureBuilder
from autofi.data.features import Features
from autofi.metrics.calibrators import Calibration
from autofi.model.model import Model
from autofi.operators.feature_tensors import FeatureTensors


class Scoring(nn.Module):
    """The function from features to the probability, float64 `[N]`; `inputs_of` names the features that it gets.

    Features:

    - ids `[N, F]`: the code of every field
    - numbers `[N, Q]`: the position of every field that reads as a number, NaN where missing
    - bag_NAME `[N, L]`: token codes of a multi-valued field, -1 beyond its end
    - crosses `[N, P]`: the row of every pair's cross
    - statistics `[N, C, 2]`: count and clicks of every target encoding
    - boosted `[N]`: the logit of boosted trees
    """

    def __init__(
        self, network: Model, builder: FeatureBuilder, calibration: Calibration | None = None
    ) -> None:
        super().__init__()
        self.network = network
        self.probability = nn.Sigmoid() if calibration is None else CalibrationLayer(calibration)
        self.pairs, self.columns = builder.crosses.pairs, builder.statistics.columns

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        tensors = FeatureTensors(
            ids=features["ids"],
            numbers=features.get("numbers", features["ids"].new_empty(0)),
            bags={
                name.removeprefix("bag_"): tensor
                for name, tensor in features.items()
                if name.startswith("bag_")
            },
            pairs=self.pairs,
            crosses=features.get("crosses"),
            columns=self.columns,
            statistics=features.get("statistics"),
            boosted=features.get("boosted"),
        )
        probability: Tensor = self.probability(self.network(self.network.read(tensors)).double())
        return probability


def inputs_of(features: Features, reads: Reads) -> dict[str, Tensor]:
    """Return the features that the network reads, as `Scoring` takes them; codes are always among them."""
    tensors = FeatureTensors.of(features)
    found = {"ids": tensors.ids}
    if reads.numbers:
        found["numbers"] = tensors.numbers
    found |= {f"bag_{name}": tensors.bags[name] for name in sorted(reads.bags)}
    if reads.pairs and tensors.crosses is not None:
        found["crosses"] = tensors.crosses
    if reads.columns and tensors.statistics is not None:
        found["statistics"] = tensors.statistics
    if tensors.boosted is not None:
        found["boosted"] = tensors.boosted
    return found


def export_program(scoring: nn.Module, inputs: Mapping[str, Tensor]) -> torch.export.ExportedProgram:
    """Return the module traced for any number of rows."""
    rows = torch.export.Dim("rows", min=1)
    shapes: dict[str, Any] = {name: {0: rows} for name in inputs}
    with torch.no_grad():
        return torch.export.export(scoring, (dict(inputs),), dynamic_shapes=(shapes,), strict=False)


def onnx_program(program: torch.export.ExportedProgram, inputs: Mapping[str, Tensor], opset: int) -> Any:
    """Return the program as an ONNX model; its inputs are named as the features."""
    # The exporter warns about its own deprecated calls and about libraries that AutoFI does not use.
    with quiet_logger("torch.onnx"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = torch.onnx.export(
            program,
            input_names=list(inputs),
            output_names=["probability"],
            opset_version=opset,
            verbose=False,
        )
    assert found is not None
    return found.model_proto
