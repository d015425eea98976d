"""The crosses whose target encodings boosted trees read, chosen by small trees over all that could be read."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autofi.data.boosted_columns import Numbers, columns_of_parts
from autofi.data.cross_codes import cell_space
from autofi.data.encoded_rows import EncodedRows
from autofi.data.folds import deal_folds
from autofi.data.lightgbm_library import LIGHTGBM, lightgbm_library
from autofi.data.target_encoding import Column

#: Training rows that are read, one in how many of them the trees do not see, and the number of these parts that judge
#: whether crosses are taken.
MOST_ROWS, UNSEEN, TURNS = 30_000, 4, 2
#: Most fields and bins that are crossed: with more of them those that matter most by themselves.
MOST_CROSSED = 24
#: The best pairs that are extended to triples, and the most triples that are compared.
EXTENDED, MOST_TRIPLES = 12, 150
#: Bins of a number are crossed beside its codes if these are more than so many times the bins.
COARSER = 2
#: A cross is dropped if it has less than this share of the gain of all splits.
LEAST_SHARE = 1e-3
#: The trees: many columns are sampled, as one of two alike would hide the other.
SMALL: dict[str, Any] = {"num_leaves": 16, "learning_rate": 0.15, "feature_fraction": 0.5, "max_bin": 63}
ROUNDS, PATIENCE = 60, 10


def choose_crosses(
    rows: EncodedRows,
    cardinalities: tuple[int, ...],
    number_places: Sequence[int],
    *,
    pairs: int,
    triples: int,
    together: Numbers | None = None,
    seed: int = 0,
    threads: int = 1,
) -> list[Column]:
    """Return at most so many pairs and triples of fields, or of bins of numbers, that improve small trees together.

    First trees over all fields and pairs tell the pairs with the largest gain of splits, then trees over these and the
    triples that extend the best of them tell the triples. Pairs are taken if the trees with them have a lower
    logloss on rows that they have not seen; triples, which are many more, only if it is lower by more than twice the
    standard error of the difference. So a group of crosses is judged together: one by one they may each say too little.

    The cost is seconds, whatever the number of rows: MOST_ROWS of them are read.

    Args:
        rows: Training rows with labels.
        cardinalities: Those of `with_bin_cardinalities`, whose places after those of the fields are bins.
        number_places: Field behind each column of numbers.
        together: A number per row, `[N]`: rows with the same number are either all seen or none.
        seed: Seed of rows, folds and trees.
        threads: Threads of LightGBM.
    """
    if not (pairs or triples):
        return []
    fields = len(cardinalities) - len(number_places)
    chosen = np.sort(np.random.default_rng(seed).permutation(len(rows))[:MOST_ROWS])
    taken = EncodedRows(
        np.asarray(rows.ids[chosen]),
        np.asarray(rows.numbers[chosen]),
        labels=np.asarray(rows.labels)[chosen],
        weights=None if rows.weights is None else np.asarray(rows.weights)[chosen],
    )
    judges = _Judges(taken, cardinalities, None if together is None else together[chosen], seed, threads)
    if not judges.able:
        return []
    singles = [(field,) for field in range(fields)]
    of_field = [*range(fields), *number_places]
    crossed = [
        place
        for place, cardinality in enumerate(cardinalities)
        if cardinality > 3 and (place < fields or cardinalities[of_field[place]] > COARSER * cardinality)
    ]

    def crosses(places: Sequence[int]) -> bool:
        """Return True if these are different fields whose cells have codes."""
        known = {of_field[place] for place in places}
        return len(known) == len(places) and cell_space([cardinalities[p] for p in places]) is not None

    if len(crossed) > MOST_CROSSED:
        alone = judges.judge([(place,) for place in crossed])
        crossed = sorted(crossed[place] for place in np.argsort(-alone.gains, kind="stable")[:MOST_CROSSED])
    possible = [(left, right) for left, right in combinations(crossed, 2) if crosses((left, right))]
    if not possible:
        return []
    without = judges.judge(singles, turns=TURNS)
    ranked = judges.judge([*singles, *possible]).best(after=fields)
    with_pairs = judges.judge([*singles, *ranked[:pairs]], turns=TURNS)
    found = ranked[:pairs] if with_pairs.better_than(without, errors=0.0) else []
    if triples:
        extended: dict[Column, None] = dict.fromkeys(
            tuple(sorted((*pair, place)))
            for pair in ranked[:EXTENDED]
            for place in crossed
            if crosses((*pair, place))
        )
        longer = [*ranked[:pairs], *list(extended)[:MOST_TRIPLES]]
        best = judges.judge([*singles, *longer]).best(after=fields)
        kept = [
            cross
            for order, most in ((2, pairs), (3, triples))
            for cross in [cross for cross in best if len(cross) == order][:most]
        ]
        with_triples = judges.judge([*singles, *kept], turns=TURNS)
        if with_triples.better_than(with_pairs if found else without, errors=2.0):
            found = kept
    return sorted(found, key=lambda cross: (len(cross), cross))


class _Judged:
    """Trees over some columns: the gain of the splits of every column, and the loss of rows that they have not seen."""

    def __init__(
        self, columns: Sequence[Column], gains: NDArray[np.float64], losses: NDArray[np.float64]
    ) -> None:
        self.columns, self.gains, self.losses = columns, gains, losses

    def best(self, *, after: int) -> list[Column]:
        """Return the columns after the first ones that have a share of the gain, largest first."""
        gains = self.gains[after:]
        order = np.argsort(-gains, kind="stable")
        least = max(LEAST_SHARE * self.gains.sum(), np.finfo(float).tiny)
        return [self.columns[after + place] for place in order if gains[place] >= least]

    def better_than(self, other: _Judged, *, errors: float) -> bool:
        """Return True if the loss is lower by more than so many standard errors of the difference."""
        apart = other.losses - self.losses
        return bool(apart.mean() > errors * apart.std() / np.sqrt(len(apart)))


class _Judges:
    """Rows that small trees are grown on, and rows that judge them, each part in its turn."""

    def __init__(
        self,
        rows: EncodedRows,
        cardinalities: tuple[int, ...],
        together: Numbers | None,
        seed: int,
        threads: int,
    ) -> None:
        self._rows, self._cardinalities, self._seed, self._threads = rows, cardinalities, seed, threads
        self._labels, self._together = np.asarray(rows.labels, dtype=np.float64), together
        self._folds = deal_folds(len(rows), UNSEEN, np.random.default_rng(seed), together)

    @property
    def able(self) -> bool:
        """True if every part has both classes."""
        return all(len(np.unique(self._labels[self._folds == fold])) == 2 for fold in range(UNSEEN))

    def judge(self, columns: Sequence[Column], *, turns: int = 1) -> _Judged:
        """Grow trees over numbers, log-odds of these columns and counts of the fields among them, which come first.

        With more `turns` as many parts of the rows are judged, each by trees that have not seen it.
        """
        gains, losses = zip(*(self._turn(columns, fold) for fold in range(turns)), strict=True)
        return _Judged(columns, np.sum(gains, axis=0), np.concatenate(losses))

    def _turn(self, columns: Sequence[Column], fold: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the gains of columns in trees that have not seen a fold, and the losses of its rows."""
        lightgbm = lightgbm_library()
        seen, unseen = np.flatnonzero(self._folds != fold), np.flatnonzero(self._folds == fold)
        known, judged = columns_of_parts(
            self._rows,
            seen,
            unseen,
            self._cardinalities,
            tuple(columns),
            prior=float(self._labels.mean()),
            counted=len(self._rows),
            together=None if self._together is None else self._together[seen],
            generator=np.random.default_rng(self._seed),
            threads=self._threads,
        )
        numbers, fields = self._rows.numbers.shape[1], sum(len(column) == 1 for column in columns)
        known, judged = (part[:, : numbers + len(columns) + fields] for part in (known, judged))
        weights = self._rows.weights
        training, validation = (
            lightgbm.Dataset(
                values,
                label=self._labels[index],
                weight=None if weights is None else weights[index],
                params={"verbosity": -1, "max_bin": SMALL["max_bin"]},
            )
            for values, index in ((known, seen), (judged, unseen))
        )
        trees = lightgbm.train(
            {
                **LIGHTGBM,
                **SMALL,
                "metric": "binary_logloss",
                "seed": self._seed,
                "num_threads": self._threads,
            },
            training,
            num_boost_round=ROUNDS,
            valid_sets=[validation],
            callbacks=[lightgbm.early_stopping(PATIENCE, verbose=False)],
        )
        gains = trees.feature_importance("gain", iteration=trees.best_iteration)[numbers:]
        of_column = gains[: len(columns)].copy()
        of_column[:fields] += gains[len(columns) :]
        logits = trees.predict(judged, raw_score=True, num_threads=self._threads)
        labels = self._labels[unseen]
        losses = np.logaddexp(0.0, logits) - labels * logits
        share = 1.0 if weights is None else weights[unseen] / weights[unseen].mean()
        return of_column, losses * share
