"""The builder of a network's features from encoded rows: look-ups of fitted crosses and target encodings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from autofi.core.memmap import empty_rows, memory_limit, release
from autofi.core.npz_file import load_arrays
from autofi.data.boosted_trees import BoostedTrees
from autofi.data.cross_codes import default_threads
from autofi.data.crosses import Crosses
from autofi.data.dataset import EncodedDataset
from autofi.data.encoded_rows import EncodedRows
from autofi.data.encoder import Encoder
from autofi.data.features import Column, Features, Pair
from autofi.data.folds import deal_folds
from autofi.data.target_encoding import TargetStatistics
from autofi.errors import DataError

#: Deviation of log(1 + count) below which the counts of a column are not scaled up to unit deviation.
SMALLEST_DEVIATION = 0.1
#: Memory that counting the cells of one column or pair takes.
BYTES_PER_SORTED_ROW = 64
_ROWS_AT_ONCE = 1 << 16


@dataclass(frozen=True, eq=False)
class FeatureBuilder:
    """The builder of a network's features from encoded rows, fitted on training rows.

    Attributes:
        encoder: Encoder of raw rows.
        crosses: Fitted crosses.
        statistics: Fitted target encodings.
        log_counts: Mean and deviation of log(1 + count) over the training rows, by column of the target encodings.
        boosted: Boosted trees, with the target encodings that they read.
    """

    encoder: Encoder
    crosses: Crosses
    statistics: TargetStatistics
    log_counts: dict[Column, tuple[float, float]]
    boosted: BoostedTrees | None = None

    def of_rows(self, rows: EncodedRows) -> Features:
        """Return the features of rows that are not training rows."""
        features = Features(
            ids=rows.ids,
            numbers=rows.numbers,
            bags=dict(rows.bags),
            pairs=self.crosses.pairs,
            crosses=self.crosses.transform(rows.ids),
            columns=self.statistics.columns,
            statistics=self.statistics.transform(rows.ids),
        )
        if self.boosted is None:
            return features
        return replace(features, boosted=self.boosted.transform(features.ids, features.numbers))

    def subset(self, pairs: Sequence[Pair], columns: Sequence[Column], *, boosted: bool) -> FeatureBuilder:
        """Return the builder of one network, with its crosses (`pairs`), target encodings (`columns`) and trees."""
        return FeatureBuilder(
            self.encoder,
            self.crosses.subset(pairs),
            self.statistics.subset(columns),
            {column: self.log_counts[column] for column in columns},
            self.boosted if boosted else None,
        )

    def save(self, directory: Path) -> None:
        """Write everything under `directory`: JSON, Parquet and plain arrays."""
        self.encoder.save(directory)
        self.crosses.save(directory)
        self.statistics.save(directory)
        if self.boosted is not None:
            self.boosted.save(directory)
        np.savez(
            directory / "log_counts.npz",
            values=np.array([self.log_counts[column] for column in self.statistics.columns]).reshape(-1, 2),
        )

    @classmethod
    def load(cls, directory: Path) -> FeatureBuilder:
        """Return the builder that `save` wrote.

        Raises:
            DataError: The files are missing, damaged or do not belong together.
        """
        statistics = TargetStatistics.load(directory)
        values = _saved_log_counts(directory / "log_counts.npz", len(statistics.columns))
        log_counts = {
            column: (float(m), float(d)) for column, (m, d) in zip(statistics.columns, values, strict=True)
        }
        encoder, crosses = Encoder.load(directory), Crosses.load(directory)
        for name, part in (("crosses", crosses), ("statistics", statistics)):
            if part.cardinalities != encoder.cardinalities:
                raise DataError(
                    f"The {name} in '{directory}' have {part.cardinalities} codes and the encoder has "
                    f"{encoder.cardinalities}; export the model again."
                )
        return cls(
            encoder,
            crosses,
            statistics,
            log_counts,
            BoostedTrees.load(
                directory,
                cardinalities=encoder.cardinalities,
                number_bins=encoder.number_bins,
                statistics=statistics,
            ),
        )


def build_features(
    dataset: EncodedDataset,
    pairs: Sequence[Pair],
    *,
    cross_pairs: Sequence[Pair] | None = None,
    min_count: int = 2,
    max_rows: int | None = None,
    folds: int = 10,
    seed: int = 0,
) -> tuple[FeatureBuilder, Features]:
    """Fit crosses and target encodings on the training rows, and return the builder and the features of all rows.

    Training rows get out-of-fold encodings, which never contain their own label. All other rows get those of all
    training rows. Cells that the split keeps apart share a fold: otherwise the encoding of a training row would come
    from rows of its own cell, which never happens for a validation row.

    Args:
        dataset: The encoded data.
        pairs: Pairs of fields with target encodings.
        cross_pairs: Pairs of fields with crosses; by default `pairs`.
        min_count: See `Crosses.fit`.
        max_rows: See `Crosses.fit`.
        folds: Number of folds.
        seed: Seed of the folds.
    """
    train = dataset.parts["train"]
    cardinalities = dataset.encoder.cardinalities
    threads = threads_for(len(dataset))
    crosses = Crosses.fit(
        dataset.ids[train],
        cardinalities,
        pairs if cross_pairs is None else cross_pairs,
        min_count=min_count,
        max_rows=max_rows,
        threads=threads,
    )
    columns: list[Column] = [(field,) for field in range(len(cardinalities))] + [
        tuple(pair) for pair in pairs
    ]
    mapped = 4 * len(dataset) * (len(crosses.pairs) + 2 * len(columns)) > memory_limit()
    values = empty_rows((len(dataset), len(columns), 2), np.float32, mapped=mapped)
    cross_rows = empty_rows((len(dataset), len(crosses.pairs)), np.int32, mapped=mapped)
    fold_of_row = deal_folds(train.stop, folds, np.random.default_rng(seed), dataset.together())
    statistics, _ = TargetStatistics.fit(
        dataset.ids[train],
        dataset.labels[train],
        cardinalities,
        columns,
        folds=fold_of_row,
        out=values[train],
        threads=threads,
    )
    # The other folds hold only a share of a cell's rows. Counts are scaled up, or they would be smaller in training
    # than in prediction.
    scales = train.stop / np.maximum(train.stop - np.bincount(fold_of_row), 1)
    for start in range(0, train.stop, _ROWS_AT_ONCE):
        rows = slice(start, min(start + _ROWS_AT_ONCE, train.stop))
        values[rows] *= scales[fold_of_row[rows], None, None]
        release(values)
    statistics.transform(dataset.ids[train.stop :], out=values[train.stop :], threads=threads)
    builder = FeatureBuilder(dataset.encoder, crosses, statistics, _log_counts(values[train], columns))
    features = Features(
        ids=dataset.ids,
        numbers=dataset.numbers,
        bags=dict(dataset.bags),
        pairs=crosses.pairs,
        crosses=crosses.transform(dataset.ids, out=cross_rows, threads=threads),
        columns=statistics.columns,
        statistics=values,
    )
    return builder, features


def _saved_log_counts(path: Path, columns: int) -> npt.NDArray[np.float64]:
    try:
        values = load_arrays(path, {"values": np.float64})["values"]
        if values.shape != (columns, 2) or not np.isfinite(values).all() or (values[:, 1] <= 0).any():
            raise ValueError(f"it does not hold a finite mean and deviation of each of {columns} columns")
    except (OSError, ValueError) as error:
        raise DataError(
            f"'{path}' does not hold counts as AutoFI writes them ({error}); export the model again."
        ) from error
    return values


def threads_for(rows: int) -> int:
    """Return the number of threads whose sorts of a column or pair fit in memory together."""
    return int(np.clip(memory_limit() // (BYTES_PER_SORTED_ROW * max(rows, 1)), 1, default_threads()))


def _log_counts(
    values: npt.NDArray[np.float32], columns: Sequence[Column]
) -> dict[Column, tuple[float, float]]:
    found = {}
    for number, column in enumerate(columns):
        logs = np.log1p(values[:, number, 0], dtype=np.float64)
        # A count that hardly varies has no information; the floor keeps the noise of the folds from being scaled up.
        found[column] = (float(logs.mean()), max(float(logs.std()), SMALLEST_DEVIATION))
        release(values)
    return found
