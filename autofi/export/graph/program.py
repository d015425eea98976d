"""The network of a bundle as a program of torch's own operations: features in, the probability of a click out."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from autofi.data.feature_builder import FeatureBuilder
from autofi.data.features import Features
from autofi.export.calibration_layer import CalibrationLayer
from autofi.export.calibrations import Calibration
from autofi.export.graph.loggers import quiet_logger
from autofi.export.graph.reads import Reads
from autofi.model.network import Network
from autofi.operators.feature_tensors import FeatureTensors

#: Rows of the example a program is traced with: 0 and 1 would be taken for constants.
EXAMPLE_ROWS = 3


class Scoring(nn.Module):
    """Features → probability, float64 `[N]`; `inputs_of` says which features there are.

    ids         [N, F]     code of every field
    numbers     [N, Q]     position of every field that reads as a number, NaN where missing
    bag_NAME    [N, L]     token codes of a multi-valued field, -1 beyond its end
    crosses     [N, P]     row of every pair's cross
    statistics  [N, C, 2]  count and clicks of every column
    boosted     [N]        logit of boosted trees
    """

    def __init__(
        self, network: Network, builder: FeatureBuilder, calibration: Calibration | None = None
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
    """What `Scoring` is given: of the features those that the network reads, and codes always."""
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


def example_features(builder: FeatureBuilder, rows: int = EXAMPLE_ROWS) -> Features:
    """Rows of missing values."""
    encoder = builder.encoder
    return Features(
        ids=np.zeros((rows, len(encoder.fields)), dtype=np.int32),
        numbers=np.full((rows, len(encoder.number_fields)), np.nan, dtype=np.float32),
        bags={name: np.zeros((rows, width), dtype=np.int32) for name, width in encoder.bag_widths.items()},
        pairs=builder.crosses.pairs,
        crosses=np.zeros((rows, len(builder.crosses.pairs)), dtype=np.int32),
        columns=builder.statistics.columns,
        statistics=np.zeros((rows, len(builder.statistics.columns), 2), dtype=np.float32),
        boosted=None if builder.boosted is None else np.zeros(rows, dtype=np.float32),
    )


def export_program(scoring: nn.Module, inputs: Mapping[str, Tensor]) -> torch.export.ExportedProgram:
    """The module traced for any number of rows."""
    rows = torch.export.Dim("rows", min=1)
    shapes: dict[str, Any] = {name: {0: rows} for name in inputs}
    with torch.no_grad():
        return torch.export.export(scoring, (dict(inputs),), dynamic_shapes=(shapes,), strict=False)


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """torch's exporter warns of its own deprecated calls, and of libraries that AutoFI makes no use of."""
    with quiet_logger("torch.onnx"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def onnx_program(program: torch.export.ExportedProgram, inputs: Mapping[str, Tensor], opset: int) -> Any:
    """The program as an ONNX model; its inputs are named as the features."""
    with _quiet_exporter():
        found = torch.onnx.export(
            program,
            input_names=list(inputs),
            output_names=["probability"],
            opset_version=opset,
            verbose=False,
        )
    assert found is not None
    return found.model_proto
