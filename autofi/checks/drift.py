"""A check for drift: fields whose values differ between training and held-out rows; labels are not read."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autofi.checks.sample import Ints, SampledRows
from autofi.checks.warning import DRIFT, DataWarning

#: Most bins of a field for single values; the other values share a bin, and so do unseen ones.
MOST_BINS = 100
#: Rows of the smaller part that a bin should have.
BIN_ROWS = 10
#: Stability index above chance from which on there is a warning, and by how many deviations of chance.
LEAST_INDEX = 0.1
DEVIATIONS = 6.0


@dataclass(frozen=True)
class Drift:
    """The distance of a field's values in one part from those of training rows.

    Attributes:
        field: Name of the field.
        part: "valid" or "test".
        index: Population stability index over values; rare values share a bin, and unseen ones another.
        chance: Expected index without drift.
        deviation: Standard deviation of the index without drift.
        unseen: Share of rows whose value the compared training rows do not have.
        unseen_by_chance: This share among held-out training rows.
    """

    field: str
    part: str
    index: float
    chance: float
    deviation: float
    unseen: float
    unseen_by_chance: float

    @property
    def sure(self) -> bool:
        """True if the index is large, and not by chance."""
        return self.index - self.chance > max(LEAST_INDEX, DEVIATIONS * self.deviation)


def measure_drift(sample: SampledRows, *, seed: int) -> tuple[Drift, ...]:
    """Return the drift of every field in validation and in test rows, if there are any.

    As many training rows are held out as the part has rows. They show how many values a random split leaves unseen.
    """
    found = []
    for part, lines in (("valid", sample.valid), ("test", sample.test)):
        rows = min(lines.shape[1], sample.train.shape[1] // 2)
        if not rows:
            continue
        order = np.random.default_rng(seed).permutation(sample.train.shape[1])
        held_out, rest = np.split(order, [rows])
        for field, name in enumerate(sample.names):
            train = sample.train[field]
            found.append(
                _measured(name, part, train[rest], train[held_out], lines[field], sample.distinct[field])
            )
    return tuple(found)


def check_drift(drifts: Collection[Drift], apart: Collection[str] = ()) -> tuple[DataWarning, ...]:
    """Return a warning per field that drifts, the largest first, without `apart`, which the split keeps apart."""
    worst: dict[str, Drift] = {}
    for drift in drifts:
        if drift.sure and drift.field not in apart and drift.index > worst.get(drift.field, _NONE).index:
            worst[drift.field] = drift
    return tuple(_warning(drift) for drift in sorted(worst.values(), key=lambda drift: -drift.index))


_NONE = Drift("", "", 0.0, 0.0, 0.0, 0.0, 0.0)


def _warning(drift: Drift) -> DataWarning:
    rows = "validation" if drift.part == "valid" else drift.part
    return DataWarning(
        DRIFT,
        (drift.field,),
        f"'{drift.field}' drifts: its stability index from training to {rows} rows is {drift.index:.2f} "
        f"({drift.chance:.2f} by chance), and {drift.unseen:.1%} of {rows} rows have a value that training has not "
        f"({drift.unseen_by_chance:.1%} by chance).",
        {
            "part": drift.part,
            "index": drift.index,
            "chance": drift.chance,
            "deviation": drift.deviation,
            "unseen": drift.unseen,
            "unseen_by_chance": drift.unseen_by_chance,
        },
    )


def _measured(
    name: str,
    part: str,
    rest: NDArray[np.int32],
    held_out: NDArray[np.int32],
    judged: NDArray[np.int32],
    distinct: int,
) -> Drift:
    known = np.bincount(rest, minlength=distinct)
    bins = _bins(known, fewest=BIN_ROWS * len(rest) / min(len(held_out), len(judged)))
    size = int(bins.max()) + 1
    before, after = (np.bincount(bins[codes], minlength=size) for codes in (held_out, judged))
    used = before + after > 0
    index = _index(before[used], after[used])
    freedom, spread = int(used.sum()) - 1, 1 / len(held_out) + 1 / len(judged)
    return Drift(
        field=name,
        part=part,
        index=index,
        chance=freedom * spread,
        # The index of equal distributions is about a chi-square variable times `spread`.
        deviation=float(np.sqrt(2 * freedom)) * spread,
        unseen=float((known[judged] == 0).mean()),
        unseen_by_chance=float((known[held_out] == 0).mean()),
    )


def _bins(known: Ints, *, fewest: float) -> Ints:
    """Return the bin of every code: 0 for unseen values, 1 for all rare ones, then one for each frequent value."""
    bins = (known > 0).astype(np.int64)
    frequent = np.argsort(-known, kind="stable")[:MOST_BINS]
    frequent = frequent[known[frequent] >= max(fewest, 1)]
    bins[frequent] = 2 + np.arange(len(frequent))
    return bins


def _index(before: Ints, after: Ints) -> float:
    # Half a row is added to every bin, so that the index is finite if only one part has rows in it.
    shares = [(counts + 0.5) / (counts.sum() + 0.5 * len(counts)) for counts in (before, after)]
    return float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())
