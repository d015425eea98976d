"""Which of the measured architectures wins, by validation rows and nothing else, and which none beats in everything."""

from __future__ import annotations

import math
import statistics

from autofi.candidates.proposed import SURE_PAIRS
from autofi.errors import LimitError, StoreError
from autofi.objectives import OBJECTIVES, pareto_front
from autofi.predictions import load_labels, load_predictions, trial_key
from autofi.store import ModelRecord, ModelRole, StudyHandle, TrialRecord, TrialState
from autofi.training.metrics import delong

#: Architectures that cannot be told apart by one training, of which more seeds decide.
FINALISTS = 3


def complete_trials(handle: StudyHandle) -> list[TrialRecord]:
    """The finished trials of the search, in order."""
    return [
        trial for trial in handle.trials() if trial.state is TrialState.COMPLETE and trial.value is not None
    ]


def feasible_trials(handle: StudyHandle) -> list[TrialRecord]:
    """The finished trials that keep every limit, best first by the first objective, then by the next ones.

    Raises StoreError where nothing is finished, and LimitError, with what was missed least, where nothing keeps them.
    """
    trials = complete_trials(handle)
    if not trials:
        raise StoreError(
            f"Study '{handle.name}' has no finished trial yet: run autofi search again to resume it."
        )
    feasible = [trial for trial in trials if trial.feasible]
    if not feasible:
        closest = nearest_miss(handle, trials)
        raise LimitError(
            f"A winner keeps every limit: none of the {len(trials)} architectures of study '{handle.name}' does; "
            f"closest is trial {closest.number}, where {' and '.join(handle.goals.missed(closest.violations))}. "
            "Search longer (--trials), or with other limits as another --study."
        )
    return sorted(feasible, key=lambda trial: (*handle.goals.order(trial.values), trial.number))


def nearest_miss(handle: StudyHandle, trials: list[TrialRecord]) -> TrialRecord:
    """The trial that is beyond its limits by the smallest sum of shares of them; equals by the first objective."""
    bounds = {str(limit): limit.bound or 1.0 for limit in handle.goals.limits}

    def beyond(trial: TrialRecord) -> float:
        return sum(max(value, 0.0) / bounds[name] for name, value in trial.violations.items())

    return min(trials, key=lambda trial: (beyond(trial), *handle.goals.order(trial.values), trial.number))


def front_trials(handle: StudyHandle) -> list[TrialRecord]:
    """The trials within the limits that no other beats in everything, best first by the first objective."""
    trials = feasible_trials(handle)
    names = handle.goals.names
    on_front = pareto_front(
        [[trial.values[name] for name in names] for trial in trials], handle.goals.directions
    )
    return [trial for trial, kept in zip(trials, on_front, strict=True) if kept]


def finalists(handle: StudyHandle) -> list[TrialRecord]:
    """The trials that may win, at most FINALISTS, by rising logloss: of those within the limits, see `feasible_trials`.

    The highest AUC leads. Trials with more pairs than the sure ones (`pairs` not among SURE_PAIRS) may lead only when
    they are ahead of the best trial without them by more than the standard error of that difference (DeLong, paired
    by row): ties go to the cheaper choice. Whatever the leader is not ahead of by one standard error is its equal;
    among equals the logloss tells more from few rows than their order by AUC does.

    Where another objective than the AUC comes first there are no equals: the best by it wins.
    """
    ranked = feasible_trials(handle)
    labels = load_labels(handle, "valid")
    if labels is None or handle.goals.objectives[0] != OBJECTIVES["auc"]:
        return ranked[:1]

    scores = {
        trial.number: load_predictions(handle, trial_key(trial.number)).get("valid") for trial in ranked
    }

    def ahead(leader: TrialRecord, other: TrialRecord) -> bool:
        mine, theirs = scores[leader.number], scores[other.number]
        if leader.number == other.number or mine is None or theirs is None:
            return leader.number != other.number
        return delong(labels, mine, theirs).z > 1.0

    modest = [trial for trial in ranked if trial.params.get("pairs", "selected") in SURE_PAIRS]
    if modest and not ahead(ranked[0], modest[0]):
        ranked = modest
    equals = [trial for trial in ranked if not ahead(ranked[0], trial)]
    return sorted(equals, key=lambda trial: (_logloss(trial.valid), trial.number))[:FINALISTS]


def best_trial(handle: StudyHandle) -> TrialRecord:
    """The finalist with the lowest mean logloss over its seeds: one that led by the luck of its seed falls back."""
    seeds: dict[str, list[ModelRecord]] = {}
    for model in handle.models(ModelRole.FINALIST):
        seeds.setdefault(model.architecture_id, []).append(model)

    def mean_logloss(trial: TrialRecord) -> float:
        more = [_logloss(model.metrics.get("valid")) for model in seeds.get(trial.architecture_id, ())]
        return statistics.fmean([_logloss(trial.valid), *more])

    return min(finalists(handle), key=lambda trial: (mean_logloss(trial), trial.number))


def _logloss(figures: object) -> float:
    value = figures.get("logloss", math.inf) if isinstance(figures, dict) else math.inf
    return float(value)
