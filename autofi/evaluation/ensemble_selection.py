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
#: The most additions after the start.
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
        single: The mean logloss of the winner's seeds, one of which the ensemble replaces.
        greedy: True if members were added to the start, and so selected by these rows.
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
    """Return the even mean of the start, or that after as many greedy additions as cross-fitting says.

    Members that are selected and judged by the same rows look better than they are, so the predictions of each fold of
    the rows are by members that were selected on the other folds. By their logloss the number of additions is chosen,
    0 for the start: more of them fit the rows ever better, but soon only these. The delivered members are that many
    additions on all rows. Rows of too few clicks select nothing: then the start is averaged.

    Args:
        judged: The rows.
        start: The seeds of the winner, the one that would be delivered alone first. As many are taken as are
            affordable together.
        affordable: The limits on the ensemble, which a greedy selection keeps after every addition.
    """
    likelihoods = _own_likelihoods(judged.predictions, judged.labels)
    taken: list[int] = []
    for candidate in start:
        if affordable(frozenset({*taken, candidate})):
            taken.append(candidate)
    begun = np.zeros(len(judged.predictions), dtype=np.int64)
    begun[taken or start[:1]] = 1
    # Of the seed that looks best on these rows, the logloss would be too good.
    single = float(np.mean([_logloss(likelihoods[seed], judged.weights) for seed in start]))
    folds = judging_folds(len(judged.labels), judged.together)
    weighed = slice(None) if judged.weights is None else judged.weights > 0
    if not taken or len(judged.predictions) < 2 or too_few_to_fit(judged.labels[weighed], folds[weighed]):
        shares = begun / begun.sum()
        predictions = shares @ judged.predictions
        loss = _logloss(shares @ likelihoods, judged.weights)
        return Selection(shares, predictions, loss, single, greedy=False)
    crossed = np.empty((ROUNDS + 1, len(judged.labels)))
    for fold in np.unique(folds):
        rest, own = folds != fold, folds == fold
        weights = None if judged.weights is None else judged.weights[rest]
        crossed[:, own] = (
            greedy_shares(likelihoods[:, rest], weights, begun, affordable) @ judged.predictions[:, own]
        )
    losses = [_logloss(_own_likelihoods(one, judged.labels), judged.weights) for one in crossed]
    additions = int(np.argmin(losses))
    shares = greedy_shares(likelihoods, judged.weights, begun, affordable, rounds=additions)[-1]
    return Selection(shares, crossed[additions], losses[additions], single, greedy=additions > 0)


def greedy_shares(
    likelihoods: Floats,
    weights: Floats | None,
    start: Counts,
    affordable: Affordable,
    *,
    rounds: int = ROUNDS,
) -> Floats:
    """Return the shares of candidates in the mean after each number of greedy additions, `[rounds + 1, C]`.

    In every round the candidate whose addition gives the lowest logloss is added, also one that is a member already.

    Source: Caruana et al. 2004, doi:10.1145/1015330.1015432. The cost is `rounds · C · N` logarithms.

    Args:
        likelihoods: The probability that each candidate gives to each row's own label, `[C, N]`.
        weights: Weights of the rows, `[N]`; None for equal ones.
        start: How often each candidate counts before the first round, `[C]`.
        affordable: The limits on the members.
        rounds: The number of additions.
    """
    counts, total = start.copy(), start @ likelihoods
    shares = [counts / counts.sum()]
    for _ in range(rounds):
        members = frozenset(np.flatnonzero(counts).tolist())
        found = {
            candidate: _logloss((total + likelihoods[candidate]) / (counts.sum() + 1), weights)
            for candidate in range(len(likelihoods))
            if candidate in members or affordable(members | {candidate})
        }
        added = min(found, key=lambda candidate: (found[candidate], candidate))
        counts[added] += 1
        total = total + likelihoods[added]
        shares.append(counts / counts.sum())
    return np.stack(shares)


def _own_likelihoods(predictions: Floats, labels: Floats) -> Floats:
    """Return the probabilities of the rows' own labels, of the same shape as the predictions `[..., N]`."""
    clipped = np.clip(predictions, PROBABILITY_CLIP, 1 - PROBABILITY_CLIP)
    return np.where(labels > 0, clipped, 1 - clipped)


def _logloss(likelihoods: Floats, weights: Floats | None) -> float:
    return float(-np.average(np.log(likelihoods), weights=weights))
