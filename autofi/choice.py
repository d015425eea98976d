"""Which of the measured architectures wins, by validation rows and nothing else."""

from __future__ import annotations

import math
import statistics

from autofi.candidates import SURE_PAIRS
from autofi.errors import StoreError
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


def finalists(handle: StudyHandle) -> list[TrialRecord]:
    """The trials that may win, at most FINALISTS, by rising logloss.

    The highest AUC leads. Trials with more pairs than the sure ones (`pairs` not among SURE_PAIRS) may lead only when
    they are ahead of the best trial without them by more than the standard error of that difference (DeLong, paired
    by row): ties go to the cheaper choice. Whatever the leader is not ahead of by one standard error is its equal;
    among equals the logloss tells more from few rows than their order by AUC does.
    """
    trials = complete_trials(handle)
    if not trials:
        raise StoreError(
            f"Study '{handle.name}' has no finished trial yet: run autofi search again to resume it."
        )
    ranked = sorted(trials, key=lambda trial: (-(trial.value or 0.0), trial.number))
    labels = load_labels(handle, "valid")
    if labels is None:
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
