"""One architecture trained from fresh weights → one measurement."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from autofi.data.dataset import EncodedDataset
from autofi.data.feature_builder import FeatureBuilder, build_features
from autofi.data.features import Features
from autofi.model.build import build_network, used_columns
from autofi.model.network import Network
from autofi.space.architecture import Architecture
from autofi.training.fit import FitReport, fit, predict
from autofi.training.source import rows_for

#: Called after every evaluation with its number, AUC, logloss and rows per second.
OnEvaluation = Callable[[int, float, float, float], None]


@dataclass(frozen=True)
class Trained:
    """A trained network with what it was measured at; predictions are click probabilities by part."""

    architecture: Architecture
    seed: int
    network: Network
    builder: FeatureBuilder
    report: FitReport
    predictions: dict[str, npt.NDArray[np.float64]]

    @property
    def parameters(self) -> int:
        return self.network.num_parameters()

    @property
    def table_bytes(self) -> int:
        return self.network.table_bytes()


class Workbench:
    """The encoded data of a study with the features that its architectures read, fitted once and kept.

    Features of another set of pairs replace those kept: architectures that share pairs should follow each other.
    """

    def __init__(self, dataset: EncodedDataset, *, device: torch.device, seed: int) -> None:
        self.dataset, self.device, self.seed = dataset, device, seed
        self._kept: tuple[FeatureBuilder, Features] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The fields, in the order of the data."""
        return tuple(self.dataset.encoder.schema.names)

    def features(self, architecture: Architecture) -> tuple[FeatureBuilder, Features]:
        """A builder and features that hold at least what the architecture reads."""
        crosses, columns = used_columns(architecture, self.names)
        pairs = [(column[0], column[1]) for column in columns if len(column) == 2]
        if self._kept is not None:
            builder, _ = self._kept
            if set(crosses) <= set(builder.crosses.pairs) and set(columns) <= set(builder.statistics.columns):
                return self._kept
        self._kept = None  # before others are built: two sets of features are never held
        self._kept = build_features(self.dataset, pairs, cross_pairs=crosses, seed=self.seed)
        return self._kept

    def prepare(self, pairs: list[tuple[int, int]]) -> None:
        """Fit crosses and statistics of all these pairs at once, for architectures that choose among them."""
        self._kept = None
        self._kept = build_features(self.dataset, pairs, seed=self.seed)

    def with_validation(self) -> Workbench:
        """The same data with validation rows counted as training rows: crosses and statistics are fitted on both."""
        parts = dict(self.dataset.parts)
        parts["train"], parts["valid"] = (
            slice(0, parts["valid"].stop),
            slice(parts["valid"].stop, parts["valid"].stop),
        )
        return Workbench(dataclasses.replace(self.dataset, parts=parts), device=self.device, seed=self.seed)

    def train(
        self,
        architecture: Architecture,
        *,
        seed: int,
        parts: tuple[str, ...] = ("valid",),
        repeat: FitReport | None = None,
        to_beat: float | None = None,
        on_evaluation: OnEvaluation | None = None,
    ) -> Trained:
        """Train from fresh weights on the training rows, stopping by validation, and score `parts`.

        With `repeat` the training runs as that one did and validation is not read: the refit. With `to_beat` a
        training that cannot reach that AUC ends early.
        """
        builder, features = self.features(architecture)
        network = build_network(architecture, builder, seed=seed).to(self.device)
        rows = rows_for(network, features, self.dataset.labels, self.dataset.weights)
        pieces = {part: rows.part(self.dataset.parts[part]) for part in ("train", "valid", *parts)}
        report = fit(
            network,
            pieces["train"],
            None if repeat is not None else pieces["valid"],
            architecture.training,
            generator=torch.Generator().manual_seed(seed),
            repeat=repeat,
            on_evaluation=on_evaluation,
            to_beat=to_beat,
        )
        predictions = {part: predict(network, pieces[part]) for part in parts if len(pieces[part])}
        used = builder.subset(*used_columns(architecture, self.names))
        return Trained(architecture, seed, network, used, report, predictions)
