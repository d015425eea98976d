"""The summary of finished runs: metrics of test rows, paired intervals of AutoFI against each peer, and ranks."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from autofi.metrics.over_seeds import paired_over_seeds
from autofi.metrics.ranking import PairedDifference, auc, delong, logloss, paired_logloss

Probabilities = Mapping[int, NDArray[np.float64]]
#: 1 where more of a metric is better.
SIGNS = {"auc": 1, "logloss": -1}
_MEASURES = {"auc": auc, "logloss": logloss}
_PAIRED = {"auc": delong, "logloss": paired_logloss}


@dataclass(frozen=True)
class Comparison:
    """Entrants on one table in one time.

    Attributes:
        table: Label of the table.
        metrics: By entrant and metric, the mean over seeds.
        differences: By peer and metric, AutoFI's minus the peer's over the seeds that both have.
        seeds: By entrant, the number of seeds.
    """

    table: str
    own: str
    metrics: Mapping[str, Mapping[str, float]]
    differences: Mapping[str, Mapping[str, PairedDifference]]
    seeds: Mapping[str, int]

    def best(self, metric: str) -> bool:
        """Return True if no peer has a better mean."""
        sign = SIGNS[metric]
        mine = sign * self.metrics[self.own][metric]
        return all(mine >= sign * self.metrics[peer][metric] for peer in self.differences)

    def best_or_tied(self, metric: str) -> bool:
        """Return True if no peer is better by more than the 95 % interval of the difference."""
        return all(_side(found[metric], metric) >= 0 for found in self.differences.values())

    def strictly_better(self, metric: str) -> bool:
        """Return True if every peer is worse by more than the 95 % interval of the difference."""
        return all(_side(found[metric], metric) > 0 for found in self.differences.values())


@dataclass(frozen=True)
class Summary:
    """AutoFI over all tables: numbers of tables by metric, and mean ranks by logloss.

    `ranks` counts only tables that every entrant has finished, of which there are `ranked`; 1 is the best, and equal
    ones share the mean of their ranks.
    """

    tables: int
    best: Mapping[str, int]
    best_or_tied: Mapping[str, int]
    strictly_better: Mapping[str, int]
    ranks: Mapping[str, float]
    ranked: int


def compare(
    table: str, labels: NDArray[np.int8], own: str, found: Mapping[str, Probabilities]
) -> Comparison | None:
    """Return the comparison of AutoFI's entrant `own` with the others; None without it or without any other.

    Args:
        labels: Labels of the test rows, `[N]`.
        found: By entrant, its probabilities of the test rows by seed.
    """
    peers = (
        [name for name in found if name != own and found[own].keys() & found[name].keys()]
        if own in found
        else []
    )
    if not peers:
        return None
    measured = {
        name: {metric: _by_seed(metric, labels, found[name]) for metric in SIGNS} for name in (own, *peers)
    }
    return Comparison(
        table,
        own,
        metrics={
            name: {metric: statistics.fmean(values.values()) for metric, values in of.items()}
            for name, of in measured.items()
        },
        differences={
            peer: {
                metric: _difference(metric, labels, (found[own], found[peer]), (measured[own], measured[peer]))
                for metric in SIGNS
            }
            for peer in peers
        },
        seeds={name: len(found[name]) for name in (own, *peers)},
    )  # fmt: skip


def _by_seed(metric: str, labels: NDArray[np.int8], found: Probabilities) -> dict[int, float]:
    return {seed: _MEASURES[metric](labels, probabilities) for seed, probabilities in found.items()}


def _difference(
    metric: str,
    labels: NDArray[np.int8],
    found: tuple[Probabilities, Probabilities],
    measured: tuple[Mapping[str, Mapping[int, float]], Mapping[str, Mapping[int, float]]],
) -> PairedDifference:
    mine, theirs = found
    common = sorted(mine.keys() & theirs.keys())
    errors = [_PAIRED[metric](labels, mine[seed], theirs[seed]).standard_error for seed in common]
    values = ([of[metric][seed] for seed in common] for of in measured)
    return paired_over_seeds(*values, row_error=statistics.fmean(errors))


def summarize(comparisons: Sequence[Comparison]) -> Summary:
    """Return the summary of the comparisons of one entrant of AutoFI, at least one."""

    def count(told: Iterable[bool]) -> int:
        return sum(told)

    most = max(len(one.metrics) for one in comparisons)
    complete = [one for one in comparisons if len(one.metrics) == most]
    names = list(complete[0].metrics)
    ranks = [rankdata([one.metrics[name]["logloss"] for name in names]) for one in complete]
    return Summary(
        tables=len(comparisons),
        best={metric: count(one.best(metric) for one in comparisons) for metric in SIGNS},
        best_or_tied={metric: count(one.best_or_tied(metric) for one in comparisons) for metric in SIGNS},
        strictly_better={
            metric: count(one.strictly_better(metric) for one in comparisons) for metric in SIGNS
        },
        ranks=dict(zip(names, np.mean(ranks, axis=0).tolist(), strict=True)),
        ranked=len(complete),
    )


def _side(found: PairedDifference, metric: str) -> int:
    """Return 1 where AutoFI is better by more than the interval, -1 where it is worse, and 0 for a tie."""
    return SIGNS[metric] * (int(found.low > 0) - int(found.high < 0))
