"""A check for pairs whose crosses have one class, from which a model only learns how the table was made.

If negatives were drawn among the crosses without a click, no cross has both classes, and a cross reveals its class.
Such a pair looks like the best one of the table and is worth nothing in use.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv

from autofi.checks.sample import SMOOTHING, Floats, Ints, SampledRows
from autofi.checks.warning import ONE_CLASS, DataWarning
from autofi.data.cross_codes import Codes, default_threads
from autofi.data.features import Pair
from autofi.metrics.ranking import auc

#: Most pairs that are checked; those with the most possible cells come first.
MOST_PAIRS = 800
#: Largest share of the expected rows of the other class that may be there (by its upper bound at this confidence).
MOST_SHARE = 0.05
CONFIDENCE = 0.95
#: Numbers of training rows of a cross, all in one class, that are tried as the least that is enough.
LEAST_COUNTS = (1, 2, 3, 5, 10, 20)
#: Keeps the weights of two fields' rates definite if a rate is the same in all rows, or both rates are equal.
RIDGE = 1e-6


@dataclass(frozen=True)
class OneClass:
    """Validation rows with crosses that training rows have in one class only.

    Attributes:
        rows: Number of these validation rows.
        others: Number of them in the other class.
        expected: Expected number of them in the other class by the two fields alone.
        least: Fewest training rows of such a cross.
    """

    rows: int
    others: int
    expected: float
    least: int

    @property
    def sure(self) -> bool:
        """True if nearly all rows are of the class, far beyond chance and beyond the two fields alone."""
        return _most(self.others) <= MOST_SHARE * self.expected


def chosen_pairs(sample: SampledRows, without: Collection[str] = ()) -> tuple[Pair, ...]:
    """Return the pairs to check: of the fields not in `without`, those with the most possible cells."""
    fields = [field for field, name in enumerate(sample.names) if name not in without]
    sizes = sample.distinct
    pairs = [pair for pair in combinations(fields, 2) if min(sizes[pair[0]], sizes[pair[1]]) > 1]
    return tuple(sorted(pairs, key=lambda pair: -sizes[pair[0]] * sizes[pair[1]])[:MOST_PAIRS])


def check_pairs(
    sample: SampledRows, pairs: Collection[Pair], *, threads: int | None = None
) -> tuple[DataWarning, ...]:
    """Return a warning for every pair whose crosses reveal the class while its fields do not, the surest first.

    The cost is about 5 ms per pair.
    """
    if not sample.judges:
        return ()
    with ThreadPoolExecutor(threads or default_threads()) as pool:
        found = pool.map(lambda pair: _check(sample, pair), pairs)
        warnings = [warning for warning in found if warning is not None]
    return tuple(sorted(warnings, key=_expected, reverse=True))


@dataclass(frozen=True, eq=False)
class _Crosses:
    """Rows and clicks in training and validation by cross of a pair, `[K]` each; codes rise."""

    codes: Codes
    train: Ints
    train_clicks: Ints
    valid: Ints
    valid_clicks: Ints


def _check(sample: SampledRows, pair: Pair) -> DataWarning | None:
    crosses = _counted(sample, pair)
    if not _promising(sample, pair, crosses):
        return None
    fields = _by_themselves(sample, pair)
    where = np.searchsorted(crosses.codes, _codes(sample.valid, pair, sample.distinct[pair[1]]))
    count, clicks = crosses.train[where], crosses.train_clicks[where]
    found = {
        "always": _one_class(sample, pair, count, (clicks == count) & (count > 0), 1, fields),
        "never": _one_class(sample, pair, count, clicks == 0, 0, fields),
    }
    sure = {name: rows for name, rows in found.items() if rows is not None}
    if not sure:
        return None
    clicked, seen = sample.valid_clicked, count > 0
    figures = {name: None if rows is None else asdict(rows) for name, rows in found.items()} | {
        "seen_rows": int(seen.sum()),
        "seen_click_rate": float(clicked[seen].mean()),
        "click_rate": float(clicked.mean()),
        "auc_fields": auc(clicked, fields),
        "auc_cross": auc(clicked, (clicks + SMOOTHING * fields) / (count + SMOOTHING)),
    }
    names = (sample.names[pair[0]], sample.names[pair[1]])
    return DataWarning(ONE_CLASS, names, _sentence(names, sure), figures)


def _sentence(names: tuple[str, str], sure: Mapping[str, OneClass]) -> str:
    rows = sum(found.rows for found in sure.values())
    others = sum(found.others for found in sure.values())
    expected = sum(found.expected for found in sure.values())
    if len(sure) == 2:
        seen, what = "in one class only", "of the other"
    else:
        seen, what = ("without a click", "clicks") if "never" in sure else ("with a click only", "no clicks")
    return (
        f"{names[0]} × {names[1]} gives the class away: of {rows:,} validation rows whose cross training saw {seen}, "
        f"{others or 'none'} {'is' if others == 1 else 'are'} {what}, where the two fields by themselves give "
        f"{expected:,.0f}; memorizing this pair exploits how the table was made, such as how its negatives were drawn."
    )


def _expected(warning: DataWarning) -> float:
    return float(sum(found["expected"] for name in ("always", "never") if (found := warning.figures[name])))


def _codes(lines: NDArray[np.int32], pair: Pair, distinct: int) -> Codes:
    codes: Codes = lines[pair[0]].astype(np.int64)
    codes *= distinct
    codes += lines[pair[1]]
    return codes


def _counted(sample: SampledRows, pair: Pair) -> _Crosses:
    """Return rows and clicks of the crosses that a validation row has."""
    distinct = sample.distinct[pair[1]]
    # With cross and class in one number, a plain sort (the fastest way) and a few look-ups are enough.
    valid = np.sort(2 * _codes(sample.valid, pair, distinct) + sample.valid_clicked)
    train = np.sort(2 * _codes(sample.train, pair, distinct) + sample.train_clicked)
    codes = valid >> 1
    codes = codes[np.concatenate(([True], codes[1:] != codes[:-1]))]
    (valid_rows, valid_clicks), (rows, clicks) = (_rows_of(codes, slots) for slots in (valid, train))
    return _Crosses(codes, rows, clicks, valid_rows, valid_clicks)


def _rows_of(codes: Codes, slots: Ints) -> tuple[Ints, Ints]:
    """Return rows and clicks of every code, from sorted `2 * code + clicked`."""
    first, clicked, end = (np.searchsorted(slots, 2 * codes + step) for step in (0, 1, 2))
    return end - first, end - clicked


def _promising(sample: SampledRows, pair: Pair, crosses: _Crosses) -> bool:
    """Return True if there could be a warning even if the fields reveal nothing; nearly all pairs fail this test."""
    left, right = np.divmod(crosses.codes, sample.distinct[pair[1]])
    both = sample.values[pair[0]].mixed[left] & sample.values[pair[1]].mixed[right]
    for one_class, others in (
        (crosses.train_clicks == crosses.train, crosses.valid - crosses.valid_clicks),
        (crosses.train_clicks == 0, crosses.valid_clicks),
    ):
        for least in LEAST_COUNTS:
            held = both & one_class & (crosses.train >= least)
            rows = int(crosses.valid[held].sum())
            if OneClass(rows, int(others[held].sum()), float(rows), least).sure:
                return True
    return False


def _one_class(
    sample: SampledRows, pair: Pair, count: Ints, one_class: NDArray[np.bool_], label: int, fields: Floats
) -> OneClass | None:
    """Return the largest set of rows whose cross surely reveals this class, or None if there is none.

    Only values that training rows have in both classes count, as one field alone says nothing about the pair.
    """
    mixed = [sample.values[field].mixed[sample.valid[field]] for field in pair]
    other_class = fields if label == 0 else 1 - fields
    for least in LEAST_COUNTS:
        held = one_class & (count >= least) & mixed[0] & mixed[1]
        others = int((sample.valid_clicked[held] != label).sum())
        found = OneClass(int(held.sum()), others, float(other_class[held].sum()), least)
        if found.sure:
            return found
    return None


def _by_themselves(sample: SampledRows, pair: Pair) -> Floats:
    """Return click probabilities of the validation rows by a logistic regression on the two fields' log-odds."""
    columns = [sample.values[field].log_odds[sample.valid[field]] for field in pair]
    # scikit-learn takes as long to import as torch, and every worker imports this file.
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=1 / RIDGE, solver="newton-cholesky", max_iter=100)
    rates = np.stack(columns, axis=1)
    probabilities: Floats = model.fit(rates, sample.valid_clicked).predict_proba(rates)[:, 1]
    return probabilities


def _most(others: int) -> float:
    """Return the upper bound of a Poisson mean, given the count."""
    return float(gammaincinv(others + 1, CONFIDENCE))
