"""A bounded sample of rows for data checks, column by column."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from autofi.core.memmap import release
from autofi.data.cross_codes import rank_cells
from autofi.data.dataset import EncodedDataset
from autofi.data.vocabulary import OUT_OF_VOCABULARY

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

#: Most rows of a part that are read, and most codes of all of them together.
MOST_ROWS = {"train": 200_000, "valid": 50_000, "test": 50_000}
MOST_CODES = 30_000_000
#: Rows at the overall click rate that are added to the rows of a value or cross.
SMOOTHING = 10.0


@dataclass(frozen=True, eq=False)
class ValueClicks:
    """Counts and clicks of the values of one field in the sampled training rows."""

    counts: Ints
    clicks: Ints
    prior: float

    @cached_property
    def log_odds(self) -> Floats:
        """Smoothed log-odds of a click, by value."""
        rates = (self.clicks + SMOOTHING * self.prior) / (self.counts + SMOOTHING)
        return np.asarray(np.log(rates / (1 - rates)))

    @property
    def mixed(self) -> NDArray[np.bool_]:
        """Mask of the values that were seen in both classes."""
        return (self.clicks > 0) & (self.clicks < self.counts)


@dataclass(frozen=True, eq=False)
class SampledRows:
    """Sampled rows: codes `[F, rows]` per part, renumbered from 0 within the sample.

    Attributes:
        names: Names of the fields.
        train: Codes of training rows.
        valid: Codes of validation rows.
        test: Codes of test rows.
        distinct: Number of codes per field.
        unseen: By part, the share of rows per field whose value no training row of the whole table has.
        train_clicked: 0 or 1 per training row.
        valid_clicked: 0 or 1 per validation row; labels of test rows are not read.
    """

    names: tuple[str, ...]
    train: NDArray[np.int32]
    valid: NDArray[np.int32]
    test: NDArray[np.int32]
    distinct: tuple[int, ...]
    unseen: dict[str, Floats]
    train_clicked: Ints
    valid_clicked: Ints

    @classmethod
    def of(cls, dataset: EncodedDataset, *, seed: int) -> SampledRows:
        """Return a random sample of rows, or all rows of a part if it is small enough."""
        generator = np.random.default_rng(seed)
        cardinalities = dataset.encoder.cardinalities
        fields = len(cardinalities)
        most = min(1.0, MOST_CODES / (fields * sum(MOST_ROWS.values())))
        rows, lines, unseen = {}, {}, {}
        for part, limit in MOST_ROWS.items():
            rows[part] = _drawn(dataset.parts[part], max(1, int(limit * most)), generator)
            lines[part] = np.ascontiguousarray(dataset.ids[rows[part]].T)
            release(dataset.ids)
            if part != "train" and len(rows[part]):
                unseen[part] = np.asarray((lines[part] == OUT_OF_VOCABULARY).mean(axis=1))
        distinct = []
        for field, cardinality in enumerate(cardinalities):
            column = np.concatenate([line[field] for line in lines.values()]).astype(np.int64)
            known, ranks = rank_cells(column, cardinality)
            distinct.append(len(known))
            ends = np.cumsum([line.shape[1] for line in lines.values()])[:-1]
            for line, part_ranks in zip(lines.values(), np.split(ranks, ends), strict=True):
                line[field] = part_ranks
        return cls(
            names=tuple(dataset.encoder.schema.names),
            train=lines["train"],
            valid=lines["valid"],
            test=lines["test"],
            distinct=tuple(distinct),
            unseen=unseen,
            train_clicked=dataset.labels[rows["train"]].astype(np.int64),
            valid_clicked=dataset.labels[rows["valid"]].astype(np.int64),
        )

    @property
    def rows(self) -> dict[str, int]:
        """Number of sampled rows by part."""
        return {"train": self.train.shape[1], "valid": self.valid.shape[1], "test": self.test.shape[1]}

    @property
    def prior(self) -> float:
        """Click rate of the training rows."""
        return float(self.train_clicked.mean())

    @cached_property
    def values(self) -> tuple[ValueClicks, ...]:
        """Counts and clicks by field."""
        found = []
        for codes, distinct in zip(self.train, self.distinct, strict=True):
            per_value = np.bincount(2 * codes.astype(np.int64) + self.train_clicked, minlength=2 * distinct)
            by_class = per_value.reshape(-1, 2)
            found.append(ValueClicks(by_class.sum(axis=1), by_class[:, 1].copy(), self.prior))
        return tuple(found)

    @property
    def judges(self) -> bool:
        """True if both the training and the validation rows have both classes."""
        return 0 < self.prior < 1 and bool(len(self.valid_clicked)) and 0 < self.valid_clicked.mean() < 1


def _drawn(part: slice, most: int, generator: np.random.Generator) -> Ints:
    size = part.stop - part.start
    if size <= most:
        return np.arange(part.start, part.stop)
    return np.asarray(part.start + np.sort(generator.choice(size, most, replace=False)))
