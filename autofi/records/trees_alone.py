"""Trials whose boosted trees predict alone: with the same settings of trees they are one model."""

from __future__ import annotations

import json
from collections.abc import Iterable

from autofi.space.architecture import Architecture
from autofi.store import TrialRecord


def trees_alone(trial: TrialRecord) -> str | None:
    """Return the settings of a trial's boosted trees as JSON if they predict alone, None otherwise.

    Trees are grown once for all trials of a study with these settings, and their weight is fitted on the same rows and
    folds, so trials of the same settings predict the same.
    """
    if trial.attrs.get("boosted_share") != 1.0:
        return None
    return json.dumps(trial.architecture.get("boosting"), sort_keys=True)


def same_model(trials: Iterable[TrialRecord]) -> dict[int, int]:
    """Return, for trials that are the same model as an earlier one, both numbers."""
    first: dict[str, int] = {}
    same: dict[int, int] = {}
    for trial in sorted(trials, key=lambda trial: trial.number):
        settings = trees_alone(trial)
        if settings is not None and first.setdefault(settings, trial.number) != trial.number:
            same[trial.number] = first[settings]
    return same


def delivered(trial: TrialRecord) -> Architecture:
    """Return the architecture of what a trial delivers: without its network if boosted trees predict alone."""
    architecture = Architecture.from_json(trial.architecture)
    return architecture if trees_alone(trial) is None else architecture.without_network()
