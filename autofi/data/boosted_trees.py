"""Boosted trees over numbers and target encodings of fields and pairs, fitted by cross-validation."""

from __future__ import annotations

import importlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from autofi.core.strict_json import read_object
from autofi.core.validated import CountOrNone, Positive
from autofi.data.cross_codes import default_threads
from autofi.data.encoded_rows import EncodedRows
from autofi.data.features import Column, Features, Pair
from autofi.data.folds import deal_folds
from autofi.data.lightgbm_text import checked_trees
from autofi.data.target_encoding import TargetStatistics
from autofi.errors import DataError, MissingDependencyError

Floats = NDArray[np.float32]
Numbers = NDArray[np.int64]

#: Rows at the overall click rate that are added to the rows of a cell, so that the log-odds of rare cells are small.
SMOOTHING = 10.0
#: Folds of the training rows, each with trees that have not seen it.
#: Inside the rows that such trees have seen, target encodings are computed out of fold by the second number.
FOLDS = 5
STATISTICS_FOLDS = 3
#: Most trees, and the number of trees without a gain on unseen rows after which growing stops.
ROUNDS = 1000
PATIENCE = 50
#: Most training rows that are read; more of them take longer and change little.
MOST_ROWS = 250_000
#: Parameters of LightGBM wherever it grows trees.
LIGHTGBM: Mapping[str, Any] = {
    "objective": "binary",
    # Sampled rows and columns are a little better than all of them, and make seeds differ.
    "feature_fraction": 0.8,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    # Without both, histograms are summed in an order that depends on timing, and results differ from run to run.
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}
_ROWS_AT_ONCE = 1 << 16


@dataclass(frozen=True)
class Boosting:
    """Settings of boosted trees; with 0 leaves there are none.

    Attributes:
        leaves: Leaves of a tree.
        learning_rate: The factor of every tree.
        pairs: The most pairs whose target encodings the trees read beside those of the fields.
    """

    leaves: CountOrNone = 0
    learning_rate: Positive = 0.05
    pairs: CountOrNone = 0

    def __bool__(self) -> bool:
        return self.leaves > 0


@dataclass(frozen=True, eq=False)
class BoostedTrees:
    """Trees for every fold of the training rows, in LightGBM's text format.

    Attributes:
        settings: Settings by which the trees were grown.
        prior: Click rate of the training rows.
        models: The trees that have not seen a fold, by fold.
        pairs: The pairs whose target encodings they read beside those of all fields.
    """

    FILE: ClassVar[str] = "boosting.json"
    #: The format that is written, and those that are read: in the first, trees read no pairs.
    FORMAT: ClassVar[int] = 2
    FORMATS: ClassVar[frozenset[int]] = frozenset({1, 2})

    settings: Boosting
    prior: float
    models: tuple[str, ...]
    pairs: tuple[Pair, ...] = ()

    @classmethod
    def fit(
        cls,
        settings: Boosting,
        rows: EncodedRows,
        statistics: TargetStatistics,
        *,
        together: Numbers | None = None,
        seed: int,
        threads: int | None = None,
        go_on: Callable[[int], bool] = lambda done: True,
    ) -> BoostedTrees:
        """Grow trees on training rows, which have labels.

        The rows are divided into folds. The trees of a fold are grown on the other folds until the logloss of the fold
        itself no longer falls, so that only training rows are read. Lists of tokens are not read.

        The cost is seconds for tens of thousands of rows, and a minute or two at most. With more `threads` than free
        cores it is many times that, as the threads of LightGBM wait for each other actively.

        Args:
            settings: Settings of the trees.
            rows: Training rows.
            statistics: Target encodings over these rows: of all fields, then of the pairs that the trees read.
            together: A number per row, `[N]`: rows with the same number are in one fold.
            seed: Seed of folds and trees.
            threads: Threads of LightGBM; by default those of `default_threads`.
            go_on: Called with the number of folds that have trees; returns False to leave out the others.

        Raises:
            MissingDependencyError: LightGBM cannot be loaded.
        """
        threads = threads or default_threads()
        generator = np.random.default_rng(seed)
        if len(rows) > MOST_ROWS:
            chosen = np.sort(generator.choice(len(rows), MOST_ROWS, replace=False))
            together = None if together is None else together[chosen]
        else:
            chosen = np.arange(len(rows))
        labels = np.asarray(rows.labels)[chosen]
        folds = deal_folds(len(chosen), FOLDS, generator, together)
        models: list[str] = []
        for fold in range(FOLDS):
            if not go_on(len(models)):
                break
            seen, unseen = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
            if not len(unseen) or len(np.unique(labels[seen])) < 2:
                continue
            inner = None if together is None else together[seen]
            models.append(
                _grow(settings, rows, statistics, chosen[seen], chosen[unseen], inner, generator, threads)
            )
        pairs = tuple((column[0], column[1]) for column in statistics.columns if len(column) == 2)
        return cls(settings, statistics.prior, tuple(models), pairs)

    def transform(self, features: Features, *, threads: int | None = None) -> Floats:
        """Return the mean logit of all trees, float32 `[N]`, for rows that are not training rows."""
        threads = threads or default_threads()
        assert features.statistics is not None
        read = self._places(features)
        logits = np.full(len(features), math.log(self.prior / (1 - self.prior)), dtype=np.float32)
        for start in range(0, len(features) if self.models else 0, _ROWS_AT_ONCE):
            rows = slice(start, start + _ROWS_AT_ONCE)
            columns = _columns(features.numbers[rows], features.statistics[rows][:, read], self.prior)
            logits[rows] = np.mean([_logits(booster, columns, threads) for booster in self._boosters], axis=0)
            features.release()
        return logits

    def contributions(
        self, features: Features, number_fields: Sequence[int], *, threads: int | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the contributions of the fields and of the pairs to `transform` by TreeSHAP.

        The base value, which is the same for all rows, is in neither.

        Args:
            features: Features of the rows.
            number_fields: Positions of the fields behind the columns of `numbers`.
            threads: Threads of LightGBM.

        Returns:
            Contributions of the fields, `[N, F]`, and of the pairs that the trees read, `[N, P]`.
        """
        assert features.statistics is not None
        count, every = features.ids.shape[1], features.ids.shape[1] + len(self.pairs)
        found = np.zeros((len(features), every))
        if self.models:
            columns = _columns(features.numbers, features.statistics[:, self._places(features)], self.prior)
            used = threads or default_threads()
            shares = np.mean(
                [booster.predict(columns, pred_contrib=True, num_threads=used) for booster in self._boosters],
                axis=0,
            )
            # The columns in the order of `_columns`; the base value comes after them.
            for place, column in enumerate((*number_fields, *range(every), *range(every))):
                found[:, column] += shares[:, place]
        return found[:, :count], found[:, count:]

    def columns(self, fields: int) -> tuple[Column, ...]:
        """Return the target encodings that the trees read, of a table with so many fields."""
        return (*((field,) for field in range(fields)), *self.pairs)

    def _places(self, features: Features) -> list[int]:
        """Return the places of the trees' target encodings among those of the features."""
        return [features.columns.index(column) for column in self.columns(features.ids.shape[1])]

    @cached_property
    def _boosters(self) -> list[Any]:
        lightgbm = _library()
        return [lightgbm.Booster(model_str=checked_trees(model, None)) for model in self.models]

    def __getstate__(self) -> dict[str, Any]:
        # LightGBM's own objects are not pickled.
        return {
            "settings": self.settings,
            "prior": self.prior,
            "models": self.models,
            "pairs": self.pairs,
        }

    @property
    def nbytes(self) -> int:
        """Bytes of the trees as they are saved."""
        return sum(map(len, self.models))

    def save(self, directory: Path) -> None:
        """Write `boosting.json`."""
        description = {
            "format": self.FORMAT,
            "settings": asdict(self.settings),
            "prior": self.prior,
            "models": self.models,
            "pairs": self.pairs,
        }
        (directory / self.FILE).write_text(json.dumps(description), encoding="utf-8")

    @classmethod
    def load(
        cls,
        directory: Path,
        *,
        fields: int | None = None,
        numbers: int = 0,
        statistics: Sequence[Column] = (),
    ) -> BoostedTrees | None:
        """Return the trees that `save` wrote, or None if there are none.

        Args:
            directory: The folder that was saved to.
            fields: Number of fields; None skips the check of what the trees read.
            numbers: Number of columns of numbers, which the trees must read.
            statistics: Target encodings that are there.

        Raises:
            DataError: The file is not as `save` writes it.
        """
        path = directory / cls.FILE
        if not path.exists():
            return None
        try:
            description = read_object(path)
            if description["format"] not in cls.FORMATS:
                raise ValueError(f"format {description['format']} is not {cls.FORMAT}")
            settings = Boosting(**description["settings"])
            prior = float(description["prior"])
            if not 0 < prior < 1:
                raise ValueError(f"the click rate lies between 0 and 1, not at {prior}")
            models = tuple(map(str, description["models"]))
            pairs = tuple((int(left), int(right)) for left, right in description.get("pairs", ()))
            found = cls(settings, prior, models, pairs)
            read = None if fields is None else found.columns(fields)
            if read is not None and (absent := sorted({*read} - {*statistics})):
                raise ValueError(f"there is no target encoding of {absent[0]}")
            for model in models:
                checked_trees(model, None if read is None else numbers + 2 * len(read))
            return found
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"'{path}' does not hold boosted trees as AutoFI writes them ({error}); export the model again."
            ) from error


def _grow(
    settings: Boosting,
    rows: EncodedRows,
    statistics: TargetStatistics,
    seen: Numbers,
    unseen: Numbers,
    together: Numbers | None,
    generator: np.random.Generator,
    threads: int,
) -> str:
    """Return trees grown on the rows `seen` with early stopping on the rows `unseen`, as text.

    Target encodings are computed from the seen rows only, and out of fold for the seen rows themselves. The folds are
    few on purpose: an encoding without a row's own fold reveals the click rate of that fold, and the fewer rows a fold
    has, the more of that is the row's own label, which trees would learn.
    """
    lightgbm = _library()
    labels = np.asarray(rows.labels)
    inner = deal_folds(len(seen), STATISTICS_FOLDS, generator, together)
    known, out_of_fold = TargetStatistics.fit(
        rows.ids[seen], labels[seen], statistics.cardinalities, statistics.columns, folds=inner
    )
    # Scaled to counts over all training rows, which the trees get later.
    others = np.maximum(len(seen) - np.bincount(inner, minlength=STATISTICS_FOLDS), 1)
    out_of_fold *= (len(rows) / others)[inner, None, None].astype(np.float32)
    judged = known.transform(rows.ids[unseen]) * np.float32(len(rows) / len(seen))
    weights = None if rows.weights is None else np.asarray(rows.weights)
    training, validation = (
        lightgbm.Dataset(
            values,
            label=labels[index],
            weight=None if weights is None else weights[index],
            params={"verbosity": -1},
        )
        for values, index in (
            (_columns(rows.numbers[seen], out_of_fold, statistics.prior), seen),
            (_columns(rows.numbers[unseen], judged, statistics.prior), unseen),
        )
    )
    booster = lightgbm.train(
        {
            **LIGHTGBM,
            "metric": "binary_logloss",
            "num_leaves": max(2, settings.leaves),
            "learning_rate": settings.learning_rate,
            "seed": int(generator.integers(1 << 30)),
            "num_threads": threads,
        },
        training,
        num_boost_round=ROUNDS,
        valid_sets=[validation],
        callbacks=[lightgbm.early_stopping(PATIENCE, verbose=False)],
    )
    text: str = booster.model_to_string(num_iteration=booster.best_iteration)
    return text


def _columns(numbers: Floats, statistics: Floats, prior: float) -> Floats:
    """Return the inputs of trees, `[N, Q + 2C]`: numbers, then log-odds of a click and log(1 + n) of every column."""
    values = value_columns(statistics, prior)
    return np.concatenate([numbers, values[..., 0], values[..., 1]], axis=1, dtype=np.float32)


def value_columns(statistics: Floats, prior: float) -> Floats:
    """Return the smoothed log-odds of a click and log(1 + n) of counts and clicks, `[..., 2]`."""
    count, clicks = statistics[..., 0], statistics[..., 1]
    rate = np.log((clicks + SMOOTHING * prior) / (count - clicks + SMOOTHING * (1 - prior)))
    return np.stack([rate, np.log1p(count)], axis=-1, dtype=np.float32)


def _logits(booster: Any, columns: Floats, threads: int) -> NDArray[np.float64]:
    found: NDArray[np.float64] = booster.predict(columns, raw_score=True, num_threads=threads)
    return found


def _library() -> Any:
    try:
        return importlib.import_module("lightgbm")
    except (ImportError, OSError) as error:
        reason = " ".join(str(error).split())
        raise MissingDependencyError(
            f"LightGBM, which grows the boosted trees, cannot be loaded ({reason}); install lightgbm, and on Linux "
            "libgomp, or leave 'boosting' out of the search space."
        ) from error
