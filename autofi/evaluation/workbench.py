"""The workbench: it trains one architecture from fresh weights and returns one measurement."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from autofi.core.memmap import mapped
from autofi.core.time_budget import UNLIMITED, TimeBudget
from autofi.data.boosted_trees import FOLDS, BoostedTrees, Boosting
from autofi.data.dataset import EncodedDataset
from autofi.data.feature_builder import FeatureBuilder, build_features
from autofi.data.features import Features
from autofi.evaluation.cost import Costs, measure_costs
from autofi.evaluation.trained_weights import TrainedWeights
from autofi.model.build import build_network, used_builder, used_columns
from autofi.model.network import Network
from autofi.space.architecture import Architecture
from autofi.training.fit import FitReport, fit
from autofi.training.place_rows import rows_for
from autofi.training.predict import predict
from autofi.training.row_source import RowSource

#: A callback after every evaluation, with its number, AUC, logloss and rows per second.
OnEvaluation = Callable[[int, float, float, float], None]


@dataclass(frozen=True)
class Measurement:
    """The result of a training; predictions are click probabilities by part.

    Where boosted trees have a weight, the predictions of validation rows are by weights that were fitted without these
    rows, and all others by the weights of the network.
    """

    architecture: Architecture
    seed: int
    report: FitReport
    predictions: dict[str, npt.NDArray[np.float64]]
    table_rows: int
    costs: Costs

    @property
    def delivered(self) -> Architecture:
        """The architecture of what is kept: without the network if boosted trees predict alone."""
        return self.architecture.without_network() if self.report.trees_alone else self.architecture


@dataclass(frozen=True)
class TrainedModel(Measurement):
    """A measurement with the trained network, which has the architecture `delivered`."""

    network: Network
    builder: FeatureBuilder

    def measured(self) -> Measurement:
        """Return the measurement without the network."""
        return Measurement(
            **{field.name: getattr(self, field.name) for field in dataclasses.fields(Measurement)}
        )


class Workbench:
    """The encoded data of a study with the features that its architectures read, fitted once and kept.

    Features of another set of pairs replace the kept ones, so train architectures that share pairs one after the other.
    `jobs` trainings may run at once (`train_each`): each takes that share of a GPU's memory for its rows. `proposals`
    trials of a search may be proposed before the results of the others are known; more than one changes the search.
    Boosted trees are grown for `tree_folds` folds of the training rows.
    """

    def __init__(
        self,
        dataset: EncodedDataset,
        *,
        device: torch.device,
        seed: int,
        jobs: int = 1,
        proposals: int | None = None,
    ) -> None:
        self.dataset, self.device, self.seed, self.jobs = dataset, device, seed, jobs
        self.proposals = jobs if proposals is None else proposals
        self.tree_folds = FOLDS
        self._kept: tuple[FeatureBuilder, Features] | None = None
        #: The trees and their logits, by settings and pairs.
        self._boosted: dict[
            tuple[Boosting, tuple[tuple[str, str], ...]], tuple[BoostedTrees, npt.NDArray[np.float32]]
        ] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The fields, in the order of the data."""
        return tuple(self.dataset.encoder.schema.names)

    @property
    def mapped(self) -> bool:
        """True if rows, or features of them, lie in files that are read by windows."""
        kept = () if self._kept is None else self._kept[1].arrays()
        return mapped(self.dataset.ids, self.dataset.numbers, *self.dataset.bags.values(), *kept)

    def features(self, *architectures: Architecture) -> tuple[FeatureBuilder, Features]:
        """Return a builder and features that hold at least the inputs of these architectures."""
        crosses, columns = used_columns(architectures, self.names)
        pairs = [(column[0], column[1]) for column in columns if len(column) == 2]
        if self._kept is not None:
            builder, _ = self._kept
            if set(crosses) <= set(builder.crosses.pairs) and set(columns) <= set(builder.statistics.columns):
                return self._kept
        self._kept = None  # first, so that two sets of features are never held at once
        self._kept = build_features(self.dataset, pairs, cross_pairs=crosses, seed=self.seed)
        return self._kept

    def with_boosted(
        self,
        architecture: Architecture,
        builder: FeatureBuilder,
        features: Features,
        budget: TimeBudget = UNLIMITED,
    ) -> tuple[FeatureBuilder, Features]:
        """Return builder and features with the architecture's boosted trees and their logits.

        They are grown once for all architectures with the same trees. If the trees of all folds do not fit in `budget`,
        `tree_folds` becomes the number of those that do.
        """
        boosting, key = architecture.boosting, (architecture.boosting, architecture.boosted_pairs)
        if not boosting:
            return builder, features
        if key not in self._boosted:
            encoder = self.dataset.encoder
            train, threads = self.dataset.parts["train"], torch.get_num_threads()
            begun = time.monotonic()

            def go_on(done: int) -> bool:
                if 0 < done < self.tree_folds and not budget.fits((time.monotonic() - begun) / done):
                    budget.cut_short(f"boosted trees, of {done} instead of {self.tree_folds} folds")
                    self.tree_folds = done
                return done < self.tree_folds

            trees = BoostedTrees.fit(
                boosting,
                self.dataset.rows("train"),
                encoder.cardinalities,
                number_places=[self.names.index(name) for name in encoder.number_fields],
                number_bins=encoder.number_bins,
                crosses=architecture.named_boosted_pairs(self.names),
                together=self.dataset.together(),
                seed=self.seed,
                threads=threads,
                go_on=go_on,
            )
            logits = np.full(len(self.dataset), np.nan, dtype=np.float32)
            others = slice(train.stop, None)
            logits[others] = trees.transform(
                self.dataset.ids[others], self.dataset.numbers[others], threads=threads
            )
            self._boosted[key] = trees, logits
        trees, logits = self._boosted[key]
        return dataclasses.replace(builder, boosted=trees), dataclasses.replace(features, boosted=logits)

    def prepare(
        self,
        pairs: Sequence[tuple[int, int]],
        *architectures: Architecture,
        budget: TimeBudget = UNLIMITED,
    ) -> None:
        """Fit crosses and target encodings of all these pairs at once, and grow the trees of these architectures.

        It is for architectures that choose among the pairs.
        """
        self._kept = None
        self._kept = build_features(self.dataset, list(dict.fromkeys(pairs)), seed=self.seed)
        for architecture in architectures:
            self.with_boosted(architecture, *self._kept, budget)

    def with_validation(self) -> Workbench:
        """Return a workbench that trains on validation rows too, with crosses and target encodings fitted on both."""
        parts = dict(self.dataset.parts)
        parts["train"], parts["valid"] = (
            slice(0, parts["valid"].stop),
            slice(parts["valid"].stop, parts["valid"].stop),
        )
        dataset = dataclasses.replace(self.dataset, parts=parts)
        found = Workbench(dataset, device=self.device, seed=self.seed, jobs=self.jobs)
        found.tree_folds = self.tree_folds
        return found

    def train(
        self,
        architecture: Architecture,
        *,
        seed: int,
        parts: tuple[str, ...] = ("valid",),
        repeat: FitReport | None = None,
        to_beat: float | None = None,
        most_seconds: float = math.inf,
        latency: bool = False,
        share: float = 1.0,
        on_evaluation: OnEvaluation | None = None,
    ) -> TrainedModel:
        """Train from fresh weights on the training rows, with early stopping by validation rows, and score `parts`.

        If boosted trees predict alone then, the network is dropped, and costs are those of the trees.

        Args:
            repeat: A report to repeat: the training runs like that one, and validation rows are not read.
            to_beat: An AUC; a training that cannot reach it ends early.
            most_seconds: The most seconds of a training that is not ahead of `to_beat`.
            latency: True to measure the latency among the costs.
            share: The share of the training rows to read, at random; it contains every smaller share. Vocabularies and
                target encodings are of all rows.
        """
        built = architecture.without_network() if repeat is not None and repeat.trees_alone else architecture
        builder, network, rows = self._built(built, seed)
        pieces = {part: rows.part(self.dataset.parts[part]) for part in ("train", "valid")}
        report = fit(
            network,
            pieces["train"],
            None if repeat is not None else pieces["valid"],
            architecture.training,
            generator=torch.Generator().manual_seed(seed),
            index=self._sample(len(pieces["train"]), share),
            repeat=repeat,
            on_evaluation=on_evaluation,
            to_beat=to_beat,
            most_seconds=most_seconds,
            together=self.dataset.together("valid") if built.boosting else None,
        )
        if report.trees_alone:
            network = _without_network(built, builder, network)
        return self._scored(architecture, builder, network, rows, seed, report, parts, latency=latency)

    def rebuild(
        self, architecture: Architecture, trained: TrainedWeights, *, seed: int, parts: tuple[str, ...]
    ) -> TrainedModel | None:
        """Return the model that `train` returned when it made these weights, and score `parts`.

        Training rows are not read. It is None if the weights are not those of this network, as after an upgrade.
        """
        begin = self.dataset.parts["train"].stop
        alone = trained.report.trees_alone
        built = architecture.without_network() if alone else architecture
        builder, network, rows = self._built(built, seed, begin=begin)
        if not trained.fit(network):
            return None
        network.load_state_dict(trained.weights)
        return self._scored(architecture, builder, network, rows, seed, trained.report, parts, begin=begin)

    def _built(
        self, architecture: Architecture, seed: int, *, begin: int = 0
    ) -> tuple[FeatureBuilder, Network, RowSource]:
        """Return a network with initial weights, its features, and the rows from `begin` on that it reads."""
        builder, features = self.with_boosted(architecture, *self.features(architecture))
        network = build_network(architecture, builder, seed=seed).to(self.device)
        read, labels, weights = slice(begin, None), self.dataset.labels, self.dataset.weights
        rows = rows_for(
            network,
            features.rows(read),
            labels[read],
            None if weights is None else weights[read],
            sharers=self.jobs,
        )
        return builder, network, rows

    def _scored(
        self,
        architecture: Architecture,
        builder: FeatureBuilder,
        network: Network,
        rows: RowSource,
        seed: int,
        report: FitReport,
        parts: tuple[str, ...],
        *,
        latency: bool = False,
        begin: int = 0,
    ) -> TrainedModel:
        """Return a trained network with its costs and its predictions for `parts`; `rows` are those from `begin` on."""
        bounds = {part: self.dataset.parts[part] for part in parts}
        pieces = {
            part: rows.part(slice(found.start - begin, found.stop - begin)) for part, found in bounds.items()
        }
        predictions = {
            part: predict(network, piece)
            if part != "valid" or report.valid_predictions is None
            else report.valid_predictions
            for part, piece in pieces.items()
            if len(piece)
        }
        used = used_builder(
            architecture.without_network() if report.trees_alone else architecture, builder, network
        )
        return TrainedModel(
            architecture=architecture,
            seed=seed,
            report=report,
            predictions=predictions,
            table_rows=network.table_rows(),
            costs=measure_costs(network, used, latency=latency),
            network=network,
            builder=used,
        )

    def _sample(self, rows: int, share: float) -> torch.Tensor | None:
        """Return the training rows of a share, by position; None for all."""
        if share >= 1.0:
            return None
        order = torch.randperm(rows, generator=torch.Generator().manual_seed(self.seed))
        return order[: max(1, round(share * rows))]

    def retrain(
        self,
        architecture: Architecture,
        *,
        seed: int,
        refit: bool,
        trained: TrainedWeights | None = None,
        on_evaluation: OnEvaluation | None = None,
    ) -> TrainedModel:
        """Train from fresh weights and score validation and test rows.

        Args:
            refit: True to train once more, on training and validation rows together, for as many evaluation periods as
                the first training found best; this second network is kept and scores the test rows.
            trained: The weights of the first training, if it has been done already.
        """
        parts = ("valid",) if refit else ("valid", "test")
        first = None if trained is None else self.rebuild(architecture, trained, seed=seed, parts=parts)
        if first is None:
            first = self.train(architecture, seed=seed, parts=parts, on_evaluation=on_evaluation)
        if not refit:
            return first
        again = self.with_validation().train(
            architecture, seed=seed, parts=("test",), repeat=first.report, on_evaluation=on_evaluation
        )
        return dataclasses.replace(again, predictions=first.predictions | again.predictions)


def _without_network(architecture: Architecture, builder: FeatureBuilder, network: Network) -> Network:
    """Return the boosted trees of a network alone, with their weight and intercept."""
    trees = build_network(architecture.without_network(), builder, seed=0).to(network.device)
    assert trees.boosted_weights is not None and network.boosted_weights is not None
    trees.boosted_weights.copy_(network.boosted_weights)
    return trees.eval()
