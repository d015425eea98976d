"""Metrics of one model over several seeds: means, the standard deviation between seeds, an interval."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from autofi.metrics.ranking import NORMAL_95, PairedDifference, paired_difference

#: Metrics by which seeds are compared, and the difference up to which they are equal: that of another order of sums.
_MEASURES, _SAME = ("auc", "logloss"), 1e-9


class Seed(Protocol):
    """One training; `metrics` maps a part of the split to its metrics."""

    @property
    def metrics(self) -> Mapping[str, Any]: ...
    @property
    def parameters(self) -> int | None: ...
    @property
    def table_bytes(self) -> int | None: ...
    @property
    def seconds(self) -> float | None: ...


def over_seeds(name: str, seeds: Sequence[Seed], *, test_error: float | None) -> dict[str, Any]:
    """Return the entry of a model in `Study.summary()`.

    Args:
        name: Name of the model.
        seeds: Its trainings, one per seed.
        test_error: Standard error of the test AUC over rows, if it is known.
    """
    test = mean_figures(seeds, "test")
    return {
        "name": name,
        "valid": mean_figures(seeds, "valid"),
        "test": None if test is None else test | _test_spread(seeds, test["auc"], test_error),
        "seeds": len(seeds),
        "same_with_every_seed": are_alike(seeds),
        "parameters": seeds[0].parameters,
        "table_bytes": seeds[0].table_bytes,
        "seconds": statistics.fmean(seed.seconds or 0.0 for seed in seeds),
    }


def are_alike(seeds: Sequence[Seed]) -> bool:
    """Return True if several seeds gave equal metrics.

    Boosted trees alone and look-ups do not depend on the seed. The deviation between seeds is then unknown, not 0.
    """
    figures = [
        [
            found[measure]
            for found in seed.metrics.values()
            if isinstance(found, Mapping)
            for measure in _MEASURES
            if measure in found
        ]
        for seed in seeds
    ]
    first = figures[0]
    return len(seeds) > 1 and all(
        len(own) == len(first)
        and all(math.isclose(a, b, abs_tol=_SAME) for a, b in zip(own, first, strict=True))
        for own in figures
    )


def mean_figures(seeds: Sequence[Seed], part: str) -> dict[str, float] | None:
    """Return the means over seeds of the metrics that all seeds have of a part; None if it was not measured."""
    found = [seed.metrics[part] for seed in seeds if seed.metrics.get(part)]
    if not found:
        return None
    common = [key for key in found[0] if all(key in figures for figures in found)]
    return {key: statistics.fmean(figures[key] for figures in found) for key in common}


def paired_over_seeds(
    mine: Sequence[float], theirs: Sequence[float], *, row_error: float, most: float = math.inf
) -> PairedDifference:
    """Return the difference between the means over seeds of a metric of two models on the same rows.

    Args:
        mine: The metric of one model, by seed.
        theirs: That of the other.
        row_error: Standard error over rows of the difference between one seed of each. All seeds are measured on the
            same rows, so that more seeds do not make it smaller; they do that of the seeds.
        most: The largest difference that the metric can have.
    """
    variance = row_error**2
    variance += sum(statistics.variance(found) / len(found) for found in (mine, theirs) if len(found) > 1)
    return paired_difference(
        statistics.fmean(mine) - statistics.fmean(theirs), math.sqrt(variance), most=most
    )


def kept_test_error(seed: Seed) -> float | None:
    """Return the stored standard error of the test AUC over rows; models of older versions have none."""
    kept: float | None = (seed.metrics.get("test") or {}).get("auc_error")
    return kept


def _test_spread(seeds: Sequence[Seed], mean: float, error: float | None) -> dict[str, Any]:
    aucs = [seed.metrics["test"]["auc"] for seed in seeds if seed.metrics.get("test")]
    spread = statistics.stdev(aucs) if len(aucs) > 1 and not are_alike(seeds) else None
    if error is None:
        return {"auc_std": spread, "auc_interval": None}
    half = NORMAL_95 * math.sqrt(error**2 + (spread or 0.0) ** 2 / len(aucs))
    return {"auc_std": spread, "auc_interval": [max(0.0, mean - half), min(1.0, mean + half)]}
