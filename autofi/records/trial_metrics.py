"""What a trial is judged by: the figures of its training that the study's objectives and limits name."""

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

#: A search after nothing else may give up a training that will not reach the best AUC so far.
AUC_ALONE = (OBJECTIVES["auc"],)


def check_measurable(goals: Goals, dataset: EncodedDataset) -> None:
    """Raise ConfigError where the data lacks what an objective or a limit is measured on."""
    rows = dataset.rows("valid")
    if "gauc" in goals.measured and (
        rows.groups is None or not has_mixed_group(np.asarray(rows.labels), rows.groups)
    ):
        reason = "there is no group column" if rows.groups is None else "no group of validation rows has both"
        raise ConfigError(
            f"GAUC is measured within groups that hold both clicks and non-clicks: {reason}; name a --group column or "
            "another objective."
        )


def validation_figures(goals: Goals, bench: Workbench, measured: Measurement) -> dict[str, float]:
    """AUC and logloss of the validation rows; the GAUC where it is asked for."""
    found = {"auc": measured.report.auc, "logloss": measured.report.logloss}
    return found | part_metrics(bench, measured.predictions)["valid"] if "gauc" in goals.measured else found


def auc_to_beat(goals: Goals, trials: Sequence[TrialRecord]) -> float | None:
    """The AUC that a training must be able to reach to be continued; None where each is worth its end.

    That of the best network by itself: boosted trees would lift the bar that a network must reach without them. With
    several objectives a lower AUC may lie on the front, and an architecture beyond the limits sets no bar.
    """
    if goals.objectives != AUC_ALONE:
        return None
    return max(
        (trial.attrs.get("own_auc", trial.value) or 0.0 for trial in trials if trial.feasible), default=None
    )


def best_value(goals: Goals, trials: Sequence[TrialRecord]) -> float | str:
    """The first objective of the best trial within the limits, as progress shows it."""
    feasible = [trial for trial in trials if trial.feasible]
    if not feasible:
        return "none within the limits" if trials else 0.0
    first = goals.objectives[0]
    value = min(feasible, key=lambda trial: goals.order(trial.values)).values[first.name]
    return first.told(value) if first.unit else round(value, 5)


def rung_history(trial: TrialRecord) -> RungHistory:
    """What a trial has come to on the rungs it has been on."""
    rungs = trial.attrs.get("rungs", {})
    return RungHistory(trial.number, {int(rung): tuple(values) for rung, values in rungs.items()})


def last_rung(trial: TrialRecord) -> tuple[float, ...]:
    """The values of the objectives on the highest rung a trial has been on."""
    rungs = rung_history(trial).rungs
    return rungs[max(rungs)]


def trials_since_better(goals: Goals, trials: Sequence[TrialRecord]) -> int:
    """How many trials, in the order of their numbers, came after the last that no earlier one is as good as: of those
    within the limits, the last one on the front of all."""
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
    """What a trial came to by one of `OBJECTIVES`, asked for or not; None where it was not measured."""
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
    """The trials with a value: feasible ones first, best first, earlier ones first where equal."""
    measured = ((not trial.feasible, trial.value, trial) for trial in trials)
    ranked = sorted(
        (broken, as_loss(value, direction), trial.number, trial)
        for broken, value, trial in measured
        if value is not None
    )
    return [trial for *_, trial in ranked]
