"""The metrics a trial is judged by: those of its training that the study's objectives and limits name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from autofi.data.dataset import EncodedDataset
from autofi.errors import ConfigError
from autofi.evaluation.part_metrics import part_metrics
from autofi.evaluation.workbench import Measurement, Workbench
from autofi.metrics.ranking import has_mixed_group
from autofi.objectives.objectives import OBJECTIVES, Direction, Goals, as_loss, pareto_front
from autofi.samplers.successive_halving import RungHistory
from autofi.store import TrialRecord

#: A search for these alone may end a training that will not reach the best AUC so far.
AUC_ALONE = (OBJECTIVES["auc"],)


def check_measurable(goals: Goals, dataset: EncodedDataset) -> None:
    """Check that the data has all that objectives and limits are measured on.

    Raises:
        ConfigError: It lacks something.
    """
    rows = dataset.rows("valid")
    if "gauc" in goals.measured and (
        rows.groups is None or not has_mixed_group(np.asarray(rows.labels), rows.groups)
    ):
        reason = (
            "there is no group column"
            if rows.groups is None
            else "no group of validation rows has both clicks and non-clicks"
        )
        raise ConfigError(
            f"GAUC cannot be measured, because {reason}; name a --group column or another objective."
        )


def validation_figures(goals: Goals, bench: Workbench, measured: Measurement) -> dict[str, float]:
    """Return AUC and logloss of the validation rows; also GAUC if it is asked for."""
    found = {"auc": measured.report.auc, "logloss": measured.report.logloss}
    return found | part_metrics(bench, measured.predictions)["valid"] if "gauc" in goals.measured else found


def auc_to_beat(goals: Goals, trials: Sequence[TrialRecord]) -> float | None:
    """Return the AUC that a training must be able to reach to continue; None if every training runs to its end.

    It is that of the best network alone: boosted trees would raise the bar for a network without them. With several
    objectives a lower AUC may lie on the Pareto front, and an architecture outside the limits sets no bar.
    """
    if goals.objectives != AUC_ALONE:
        return None
    return max(
        (trial.attrs.get("own_auc", trial.value) or 0.0 for trial in trials if trial.feasible), default=None
    )


def best_value(goals: Goals, trials: Sequence[TrialRecord]) -> float | str:
    """Return the first objective of the best trial within the limits, for progress."""
    feasible = [trial for trial in trials if trial.feasible]
    if not feasible:
        return "none within the limits" if trials else 0.0
    first = goals.objectives[0]
    value = min(feasible, key=lambda trial: goals.order(trial.values)).values[first.name]
    return first.told(value) if first.unit else round(value, 5)


def rung_history(trial: TrialRecord) -> RungHistory:
    """Return a trial's values on all its successive-halving rungs."""
    rungs = trial.attrs.get("rungs", {})
    return RungHistory(trial.number, {int(rung): tuple(values) for rung, values in rungs.items()})


def last_rung(trial: TrialRecord) -> tuple[float, ...]:
    """Return the values of the objectives on the highest successive-halving rung of a trial."""
    rungs = rung_history(trial).rungs
    return rungs[max(rungs)]


def trials_since_better(goals: Goals, trials: Sequence[TrialRecord]) -> int:
    """Return how many trials came after the last better one, in the order of their numbers.

    A trial is better if no earlier one is as good; of the trials within the limits, the last one on the Pareto front
    counts.
    """
    within = [place for place, trial in enumerate(trials) if trial.values and trial.feasible]
    if not within:
        return 0
    values = [tuple(trials[place].values[name] for name in goals.names) for place in within]
    kept = pareto_front([list(found) for found in values], goals.directions)
    first: dict[tuple[float, ...], int] = {}
    for place, found, on_front in zip(within, values, kept, strict=True):
        if on_front:
            first.setdefault(found, place)
    return len(trials) - 1 - max(first.values())


def measure(trial: TrialRecord, name: str) -> float | None:
    """Return a trial's value of one of `OBJECTIVES`, asked for or not; None if it was not measured."""
    known = {
        "auc": (trial.valid or {}).get("auc"),
        "logloss": (trial.valid or {}).get("logloss"),
        "gauc": (trial.valid or {}).get("gauc"),
        "parameters": trial.parameters,
        "table_bytes": trial.table_bytes,
        "flops": trial.attrs.get("flops"),
        "latency": trial.attrs.get("latency"),
    }
    found = trial.values.get(name, known[name])
    return None if found is None else float(found)


def rank(trials: Iterable[TrialRecord], direction: Direction) -> list[TrialRecord]:
    """Return the trials with a value: feasible ones first, best first, earlier ones first among equals."""
    measured = ((not trial.feasible, trial.value, trial) for trial in trials)
    ranked = sorted(
        (broken, as_loss(value, direction), trial.number, trial)
        for broken, value, trial in measured
        if value is not None
    )
    return [trial for *_, trial in ranked]
