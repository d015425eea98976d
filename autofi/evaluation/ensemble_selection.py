"""Greedy selection of the members of an ensemble by validation rows, judged by cross-fitting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autofi.metrics.ranking import PROBABILITY_CLIP
from autofi.training.join_trees import judging_folds, too_few_to_fit

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
#: The additions that are tried after the start; the best number of them counts.
ROUNDS = 20

#: Returns True if candidates may be members together.
Affordable = Callable[[frozenset[int]], bool]


@dataclass(frozen=True, eq=False)
class Judged:
    """Validation rows with the predictions of all candidates.

    Attributes:
        predictions: Probabilities of a click, `[C, N]`.
        labels: Clicks, `[N]`.
        weights: Weights of the rows, `[N]`; None for equal ones.
        together: A number per row, `[N]`: rows of one number share a fold; None for any folds.
    """

    predictions: Floats
    labels: Floats
    weights: Floats | None = None
    together: NDArray[np.int64] | None = None


@dataclass(frozen=True, eq=False)
class Selection:
    """The members of an ensemble, and how good it is on rows that did not select them.

    Attributes:
        shares: The weight of every candidate in the mean, `[C]`, with the sum 1; 0 for one that is no member.
        predictions: Probabilities of the judged rows, `[N]`, each by weights that were selected without its fold.
        logloss: Their logloss.
        single: The logloss of the single model that the ensemble replaces.
        greedy: True if members were selected by these rows; False for an even mean of the start.
    """

    shares: Floats
    predictions: Floats
    logloss: float
    single: float
    greedy: bool

    @property
    def gain(self) -> float:
        """The logloss that the ensemble saves."""
        return self.single - self.logloss

    @property
    def earned(self) -> bool:
        """True if there are several members, and they save logloss."""
        return int((self.shares > 0).sum()) > 1 and self.gain > 0


def select_members(judged: Judged, start: Sequence[int], affordable: Affordable) -> Selection:
    """Return the ensemble of the lowest cross-fitted logloss: the even mean of the start, or a greedy selection.

    Members that are selected and judged by the same rows look better than they are, so the predictions of each fold of
    the rows are by members that were selected on the other folds; the delivered members are selected on all rows. Rows
    of too few clicks select nothing: then the start is averaged.

    Args:
        judged: The rows.
        start: The seeds of the winner, the one that would be delivered alone first. As many are taken as are
            affordable together.
        affordable: The limits on the ensemble, which a greedy selection keeps after every addition.
    """
    likelihoods = _likelihoods(judged)
    taken: list[int] = []
    for candidate in start:
        if affordable(frozenset({*taken, candidate})):
            taken.append(candidate)
    begun = np.zeros(len(judged.predictions), dtype=np.int64)
    begun[taken or start[:1]] = 1
    single = _logloss(likelihoods[start[0]], judged.weights)
    even = _selection(
        judged, begun / begun.sum(), begun / begun.sum() @ judged.predictions, single, greedy=False
    )
    folds = judging_folds(len(judged.labels), judged.together)
    weighed = slice(None) if judged.weights is None else judged.weights > 0
    if not taken or len(judged.predictions) < 2 or too_few_to_fit(judged.labels[weighed], folds[weighed]):
        return even
    crossed = np.empty(len(judged.labels))
    for fold in np.unique(folds):
        rest, own = folds != fold, folds == fold
        weights = None if judged.weights is None else judged.weights[rest]
        counts = greedy_counts(likelihoods[:, rest], weights, begun, affordable)
        crossed[own] = counts / counts.sum() @ judged.predictions[:, own]
    counts = greedy_counts(likelihoods, judged.weights, begun, affordable)
    greedy = _selection(judged, counts / counts.sum(), crossed, single, greedy=True)
    return min((even, greedy), key=lambda found: found.logloss)


def greedy_counts(
    likelihoods: Floats,
    weights: Floats | None,
    start: Counts,
    affordable: Affordable,
    *,
    rounds: int = ROUNDS,
) -> Counts:
    """Return how often each candidate counts in the mean of the lowest logloss, `[C]`, by greedy additions.

    In every round the candidate whose addition gives the lowest logloss is added, also one that is a member already,
    and of the means after all rounds, and that of the start, the best is returned. An early round that does not help
    may be followed by one that does, because later additions change the mean less.

    Source: Caruana et al. 2004, doi:10.1145/1015330.1015432. The cost is `rounds · C · N` logarithms.

    Args:
        likelihoods: The probability that each candidate gives to each row's own label, `[C, N]`.
        weights: Weights of the rows, `[N]`; None for equal ones.
        start: The counts before the first round, `[C]`.
        affordable: The limits on the members.
        rounds: The number of additions.
    """
    counts = start.copy()
    total = counts @ likelihoods
    best, least = counts.copy(), _logloss(total / counts.sum(), weights)
    for _ in range(rounds):
        members = frozenset(np.flatnonzero(counts).tolist())
        size = counts.sum() + 1
        found = {
            candidate: _logloss((total + likelihoods[candidate]) / size, weights)
            for candidate in range(len(likelihoods))
            if candidate in members or affordable(members | {candidate})
        }
        added = min(found, key=lambda candidate: (found[candidate], candidate))
        counts[added] += 1
        total += likelihoods[added]
        if found[added] < least:
            best, least = counts.copy(), found[added]
    return best


def _likelihoods(judged: Judged) -> Floats:
    clipped = np.clip(judged.predictions, PROBABILITY_CLIP, 1 - PROBABILITY_CLIP)
    return np.where(judged.labels > 0, clipped, 1 - clipped)


def _logloss(likelihoods: Floats, weights: Floats | None) -> float:
    return float(-np.average(np.log(likelihoods), weights=weights))


def _selection(
    judged: Judged, shares: Floats, predictions: Floats, single: float, *, greedy: bool
) -> Selection:
    own = np.clip(predictions, PROBABILITY_CLIP, 1 - PROBABILITY_CLIP)
    likelihoods = np.where(judged.labels > 0, own, 1 - own)
    return Selection(shares, predictions, _logloss(likelihoods, judged.weights), single, greedy)
