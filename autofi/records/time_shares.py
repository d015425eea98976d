"""The time that the later stages of a search need, by what its trials have taken so far."""

from __future__ import annotations

import statistics
from collections.abc import Iterable

from autofi.core.option_names import OFF
from autofi.store import StudyHandle, TrialRecord, TrialState
from autofi.store.search_settings import SearchSettings

#: The most of a run's time that is set aside for all that comes after trials, and for what comes after the winner.
AFTER_TRIALS, AFTER_WINNER = 1 / 2, 1 / 4
#: The time of an ensemble, which trains nothing, in trainings.
ENSEMBLE_TRAININGS = 1 / 2


def typical_seconds(trials: Iterable[TrialRecord]) -> float:
    """Return the median time from start to end of complete trials; 0 without any."""
    found = [
        (trial.finished - trial.started).total_seconds()
        for trial in trials
        if trial.state is TrialState.COMPLETE and trial.started is not None and trial.finished is not None
    ]
    return statistics.median(found) if found else 0.0


def needed_after_trials(handle: StudyHandle, typical: float, limit: float) -> float:
    """Return the seconds to set aside while trials run, in a run of `limit` seconds.

    They are those of the ensemble and the baselines, and of the further seeds of the winner and of the best baseline.
    Finals need none of their own: what they train are seeds of the winner.
    """
    settings = SearchSettings.from_json(handle.record.settings)
    more = settings.seeds - 1
    trainings = more + _trainings_after_winner(settings) + (more if settings.baselines else 0)
    return min(trainings * typical, AFTER_TRIALS * limit)


def needed_after_winner(handle: StudyHandle, typical: float, limit: float) -> float:
    """Return the seconds to set aside for the ensemble and a training of each baseline, in a run of `limit` seconds."""
    settings = SearchSettings.from_json(handle.record.settings)
    return min(_trainings_after_winner(settings) * typical, AFTER_WINNER * limit)


def _trainings_after_winner(settings: SearchSettings) -> float:
    return len(settings.baselines) + (0 if settings.ensemble == OFF else ENSEMBLE_TRAININGS)
