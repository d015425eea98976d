"""Gain of one model over another by how often training saw a row's values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from autofi.metrics.ranking import NORMAL_95, auc, delong, logloss, row_losses

Floats = npt.NDArray[np.float64]

#: The first code of every bucket (see `value_frequencies`): unseen, 1-3, 4-15, 16-63, 64-255, 256-1023, 1024 and more.
BUCKETS = (0, 1, 3, 5, 7, 9, 11)
#: The fewest rows of each class for the AUC of a bucket.
FEWEST = 10


@dataclass(frozen=True)
class Gain:
    """A metric of two models on the same rows; `difference` is `a` minus `b`, with a 95 % interval.

    Rows are treated as independent; the interval does not cover seeds of training.
    """

    a: float
    b: float
    difference: float
    low: float
    high: float


@dataclass(frozen=True)
class BucketGain:
    """Rows whose value training has seen `low` to `high` times (None: or more), both inclusive.

    Attributes:
        auc: None if a class has fewer than FEWEST rows.
    """

    low: int
    high: int | None
    rows: int
    clicks: int
    logloss: Gain
    auc: Gain | None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def label(self) -> str:
        """A label such as `unseen`, `1–3`, `1,024 or more`."""
        if self.high is None:
            return f"{self.low:,} or more"
        return (
            "unseen"
            if self.high == 0
            else f"{self.low:,}–{self.high:,}"
            if self.high > self.low
            else f"{self.low:,}"
        )


def rarest(codes: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return the code of a row's rarest value, `[N, F] → [N]`."""
    return np.asarray(codes.min(axis=1))


def gain_by_frequency(
    codes: npt.NDArray[np.uint8],
    labels: npt.ArrayLike,
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    *,
    buckets: Sequence[int] = BUCKETS,
) -> tuple[BucketGain, ...]:
    """Compare predictions `a` and `b` of the same rows in buckets of a frequency code per row, rarest first.

    All arrays are `[N]`. Buckets without rows are left out. For several seeds pass the mean prediction.

    Raises:
        DataError: Predictions or labels are invalid.
    """
    truth, first, second = (np.asarray(values, dtype=np.float64) for values in (labels, a, b))
    place = np.searchsorted(buckets, codes, side="right") - 1
    found = []
    for number, start in enumerate(buckets):
        rows = place == number
        if rows.any():
            end = buckets[number + 1] if number + 1 < len(buckets) else None
            low, high = _counts(start), None if end is None else _counts(end) - 1
            found.append(_gain(low, high, truth[rows], first[rows], second[rows]))
    return tuple(found)


def gain_by_field(
    codes: npt.NDArray[np.uint8],
    fields: Sequence[str],
    labels: npt.ArrayLike,
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    *,
    buckets: Sequence[int] = BUCKETS,
) -> dict[str, tuple[BucketGain, ...]]:
    """Compare predictions as `gain_by_frequency` does, by the value of each field alone, `codes [N, F]`."""
    return {
        field: gain_by_frequency(column, labels, a, b, buckets=buckets)
        for field, column in zip(fields, codes.T, strict=True)
    }


def _counts(code: int) -> int:
    """Return the least count of a code."""
    return 0 if code == 0 else 1 << (code - 1)


def _gain(low: int, high: int | None, labels: Floats, a: Floats, b: Floats) -> BucketGain:
    clicks = int(labels.sum())
    enough = min(clicks, len(labels) - clicks) >= FEWEST
    return BucketGain(
        low=low,
        high=high,
        rows=len(labels),
        clicks=clicks,
        logloss=_logloss_gain(labels, a, b),
        auc=_auc_gain(labels, a, b) if enough else None,
    )


def _auc_gain(labels: Floats, a: Floats, b: Floats) -> Gain:
    paired = delong(labels, a, b)
    return Gain(auc(labels, a), auc(labels, b), paired.difference, paired.low, paired.high)


def _logloss_gain(labels: Floats, a: Floats, b: Floats) -> Gain:
    """Return the gain in logloss, which is below zero if `a` is better."""
    more = row_losses(labels, a) - row_losses(labels, b)
    half = NORMAL_95 * float(more.std(ddof=1)) / len(more) ** 0.5 if len(more) > 1 else float("inf")
    difference = float(more.mean())
    return Gain(logloss(labels, a), logloss(labels, b), difference, difference - half, difference + half)
