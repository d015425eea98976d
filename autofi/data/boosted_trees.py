"""Boosted trees over numbers and target encodings of fields and crosses, fitted by cross-validation."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields as dataclass_fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from autofi.core.memmap import release
from autofi.core.strict_json import read_object
from autofi.core.validated import CountOrNone, Positive
from autofi.core.versioned_fields import added_setting
from autofi.data.boosted_columns import boosted_columns, columns_of_parts
from autofi.data.boosted_crosses import choose_crosses
from autofi.data.cross_codes import default_threads
from autofi.data.encoded_rows import EncodedRows
from autofi.data.features import Column
from autofi.data.folds import deal_folds
from autofi.data.lightgbm_library import LIGHTGBM, lightgbm_library
from autofi.data.lightgbm_text import checked_trees
from autofi.data.number_bins import with_bin_cardinalities, with_bins
from autofi.data.target_encoding import TargetStatistics
from autofi.errors import DataError

Floats = NDArray[np.float32]
Numbers = NDArray[np.int64]

#: Folds of the training rows, each with trees that have not seen it.
FOLDS = 5
#: Most trees, and the number of trees without a gain on unseen rows after which growing stops.
ROUNDS = 1000
PATIENCE = 50
#: Bins of the histograms of a number and of a target encoding, which is a noisy estimate: fewer are as good.
BINS, STATISTICS_BINS = 255, 63
#: Columns that a tree reads, within shares of all of them.
COLUMNS_OF_A_TREE, LEAST_SHARE, LARGEST_SHARE = 40, 0.4, 0.8
#: Most training rows that are read; more of them take longer and change little.
MOST_ROWS = 250_000
_ROWS_AT_ONCE = 1 << 16


@dataclass(frozen=True)
class Boosting:
    """Settings of boosted trees; with 0 leaves there are none.

    Attributes:
        leaves: Leaves of a tree.
        learning_rate: The factor of every tree.
        pairs: The most pairs whose target encodings the trees read beside those of the fields.
        triples: The most crosses of three fields whose target encodings they read.
    """

    leaves: CountOrNone = 0
    learning_rate: Positive = 0.05
    pairs: CountOrNone = 0
    triples: CountOrNone = added_setting(0)

    def __bool__(self) -> bool:
        return self.leaves > 0


@dataclass(frozen=True, eq=False)
class BoostedTrees:
    """Trees for every fold of the training rows, in LightGBM's text format, with the target encodings they read.

    Attributes:
        settings: Settings by which the trees were grown.
        statistics: Target encodings over the training rows, of every field and of crosses. Their places from `fields`
            on are bins of numbers (`data.number_bins`).
        fields: Number of fields F.
        models: The trees that have not seen a fold, by fold.
    """

    FILE: ClassVar[str] = "boosting.json"
    #: The folder of the target encodings.
    STATISTICS: ClassVar[str] = "boosting"
    #: The format that is written, and those that are read. In the first two the target encodings were those that
    #: networks read; in the first there were none of pairs.
    FORMAT: ClassVar[int] = 3
    FORMATS: ClassVar[frozenset[int]] = frozenset({1, 2, 3})

    settings: Boosting
    statistics: TargetStatistics
    fields: int
    models: tuple[str, ...]

    @classmethod
    def fit(
        cls,
        settings: Boosting,
        rows: EncodedRows,
        cardinalities: Sequence[int],
        *,
        number_places: Sequence[int] = (),
        number_bins: Sequence[int] = (),
        crosses: Sequence[Column] | None = None,
        together: Numbers | None = None,
        seed: int,
        threads: int | None = None,
        go_on: Callable[[int], bool] = lambda done: True,
    ) -> BoostedTrees:
        """Choose crosses and grow trees on training rows, which have labels.

        The rows are divided into folds. The trees of a fold are grown on the other folds until the logloss of the fold
        itself no longer falls, so that only training rows are read. Lists of tokens are not read.

        The cost is seconds for tens of thousands of rows, and a minute or two at most. With more `threads` than free
        cores it is many times that, as the threads of LightGBM wait for each other actively.

        Args:
            settings: Settings of the trees.
            rows: Training rows.
            cardinalities: Number of codes of each field.
            number_places: Field behind each column of numbers.
            number_bins: Number of bins of each column of numbers.
            crosses: The crosses to read, instead of those that `boosted_crosses.choose_crosses` chooses.
            together: A number per row, `[N]`: rows with the same number are in one fold.
            seed: Seed of folds and trees.
            threads: Threads of LightGBM; by default those of `default_threads`.
            go_on: Called with the number of folds that have trees; returns False to leave out the others.

        Raises:
            MissingDependencyError: LightGBM cannot be loaded.
        """
        threads = threads or default_threads()
        generator = np.random.default_rng(seed)
        cards = with_bin_cardinalities(cardinalities, number_bins)
        fields: list[Column] = [(field,) for field in range(len(cardinalities))]
        if crosses is None:
            crosses = choose_crosses(
                rows,
                cards,
                number_places,
                pairs=settings.pairs,
                triples=settings.triples,
                together=together,
                seed=seed,
                threads=threads,
            )
        statistics, _ = TargetStatistics.fit(
            with_bins(rows.ids, rows.numbers, cards), np.asarray(rows.labels), cards, [*fields, *crosses],
            threads=threads,
        )  # fmt: skip
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
        return cls(settings, statistics, len(cardinalities), tuple(models))

    @property
    def prior(self) -> float:
        """The click rate of the training rows."""
        return self.statistics.prior

    @property
    def crosses(self) -> tuple[Column, ...]:
        """The crosses that the trees read; places from `fields` on are bins of numbers."""
        return self.statistics.columns[self.fields :]

    def transform(self, ids: NDArray[np.int32], numbers: Floats, *, threads: int | None = None) -> Floats:
        """Return the mean logit of all trees, float32 `[N]`, from codes `[N, F]` and numbers `[N, Q]`.

        Use it only for rows that are not training rows.
        """
        threads = threads or default_threads()
        logits = np.full(len(ids), math.log(self.prior / (1 - self.prior)), dtype=np.float32)
        for start in range(0, len(ids) if self.models else 0, _ROWS_AT_ONCE):
            rows = slice(start, start + _ROWS_AT_ONCE)
            columns = self._columns(ids[rows], numbers[rows], threads)
            logits[rows] = np.mean([_logits(booster, columns, threads) for booster in self._boosters], axis=0)
            release(ids, numbers)
        return logits

    def contributions(
        self,
        ids: NDArray[np.int32],
        numbers: Floats,
        number_places: Sequence[int],
        *,
        threads: int | None = None,
    ) -> dict[Column, NDArray[np.float64]]:
        """Return the contributions of fields and crosses to `transform` by TreeSHAP, `[N]` each.

        A bin counts for its field. The base value, which is the same for all rows, is in none of them.

        Args:
            ids: Codes of the rows.
            numbers: Numbers of the rows.
            number_places: Field behind each column of `numbers`.
            threads: Threads of LightGBM.
        """
        read = [self._of_fields(column, number_places) for column in self.statistics.columns]
        found = {column: np.zeros(len(ids)) for column in read}
        if self.models:
            used = threads or default_threads()
            columns = self._columns(ids, numbers, used)
            shares = np.mean(
                [booster.predict(columns, pred_contrib=True, num_threads=used) for booster in self._boosters],
                axis=0,
            )
            # The columns in the order of `_columns`; the base value comes after them.
            for place, column in enumerate((*((place,) for place in number_places), *read, *read)):
                found[column] += shares[:, place]
        return found

    def _of_fields(self, column: Column, number_places: Sequence[int]) -> Column:
        """Return the fields of a column, rising."""
        return tuple(
            sorted(place if place < self.fields else number_places[place - self.fields] for place in column)
        )

    def _columns(self, ids: NDArray[np.int32], numbers: Floats, threads: int) -> Floats:
        cells = with_bins(ids, numbers, self.statistics.cardinalities)
        return boosted_columns(numbers, self.statistics.transform(cells, threads=threads), self.prior)

    @cached_property
    def _boosters(self) -> list[Any]:
        lightgbm = lightgbm_library()
        return [lightgbm.Booster(model_str=checked_trees(model, None)) for model in self.models]

    def __getstate__(self) -> dict[str, Any]:
        # LightGBM's own objects are not pickled.
        return {field.name: getattr(self, field.name) for field in dataclass_fields(self)}

    @property
    def nbytes(self) -> int:
        """Bytes of the trees as they are saved, without their target encodings."""
        # A line end is two characters in JSON.
        return sum(len(model) + model.count("\n") for model in self.models)

    def save(self, directory: Path) -> None:
        """Write `boosting.json`, and the target encodings to a folder beside it."""
        description = {
            "format": self.FORMAT,
            "settings": asdict(self.settings),
            "fields": self.fields,
            "models": self.models,
        }
        (directory / self.FILE).write_text(json.dumps(description), encoding="utf-8")
        self.statistics.save(directory / self.STATISTICS)

    @classmethod
    def load(
        cls,
        directory: Path,
        *,
        cardinalities: Sequence[int] | None = None,
        number_bins: Sequence[int] = (),
        statistics: TargetStatistics | None = None,
    ) -> BoostedTrees | None:
        """Return the trees that `save` wrote, or None if there are none.

        Args:
            directory: The folder that was saved to.
            cardinalities: Number of codes of each field, which the trees must read; None skips the check.
            number_bins: Number of bins of each column of numbers.
            statistics: Target encodings beside the trees, which those of the first two formats read.

        Raises:
            DataError: The files are not as `save` writes them.
        """
        path = directory / cls.FILE
        if not path.exists():
            return None
        try:
            description = read_object(path)
            if description["format"] not in cls.FORMATS:
                raise ValueError(f"format {description['format']} is not {cls.FORMAT}")
            settings = Boosting(**description["settings"])
            models = tuple(map(str, description["models"]))
            if description["format"] < cls.FORMAT:
                read = _read_by_old_format(description, cardinalities, statistics)
            else:
                read = TargetStatistics.load(directory / cls.STATISTICS)
            fields = int(description.get("fields", len(read.cardinalities)))
            if cardinalities is not None:
                wanted = with_bin_cardinalities(cardinalities, number_bins)
                if fields != len(cardinalities) or read.cardinalities not in (wanted, wanted[:fields]):
                    raise ValueError("the trees read other codes than the encoder gives")
            if read.columns[:fields] != tuple((field,) for field in range(fields)):
                raise ValueError("the trees do not read every field")
            for model in models:
                width = None if cardinalities is None else len(number_bins) + 2 * len(read.columns)
                checked_trees(model, width)
            return cls(settings, read, fields, models)
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"'{path}' does not hold boosted trees as AutoFI writes them ({error}); export the model again."
            ) from error


def _read_by_old_format(
    description: Mapping[str, Any], cardinalities: Sequence[int] | None, statistics: TargetStatistics | None
) -> TargetStatistics:
    """Return the target encodings that trees of the first two formats read: of all fields, then of their pairs."""
    if statistics is None:
        raise ValueError("they are of an earlier version, and need the target encodings beside them")
    pairs = [(int(left), int(right)) for left, right in description.get("pairs", ())]
    prior = float(description["prior"])
    if not 0 < prior < 1:
        raise ValueError(f"the click rate lies between 0 and 1, not at {prior}")
    read = statistics.subset([*((field,) for field in range(len(statistics.cardinalities))), *pairs])
    return replace(read, prior=prior)


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

    Target encodings are those of `columns_of_parts`.
    """
    lightgbm = lightgbm_library()
    labels = np.asarray(rows.labels)
    known, judged = columns_of_parts(
        rows,
        seen,
        unseen,
        statistics.cardinalities,
        statistics.columns,
        prior=statistics.prior,
        counted=len(rows),
        together=together,
        generator=generator,
        threads=threads,
    )
    weights = None if rows.weights is None else np.asarray(rows.weights)
    numbers, width = rows.numbers.shape[1], known.shape[1]
    bins = [BINS] * numbers + [STATISTICS_BINS] * (width - numbers)
    training, validation = (
        lightgbm.Dataset(
            values,
            label=labels[index],
            weight=None if weights is None else weights[index],
            params={"verbosity": -1, "max_bin_by_feature": bins},
        )
        for values, index in ((known, seen), (judged, unseen))
    )
    booster = lightgbm.train(
        {
            **LIGHTGBM,
            "feature_fraction": float(np.clip(COLUMNS_OF_A_TREE / width, LEAST_SHARE, LARGEST_SHARE)),
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


def _logits(booster: Any, columns: Floats, threads: int) -> NDArray[np.float64]:
    found: NDArray[np.float64] = booster.predict(columns, raw_score=True, num_threads=threads)
    return found
