"""The records that the store returns: study, trial, model, export."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

Scalar = str | int | float | bool | None
#: The most trials of a leaderboard that are kept with a summary.
LEADERS = 10


class TrialState(StrEnum):
    """The state of a trial, by Optuna's names."""

    WAITING = "waiting"
    RUNNING = "running"
    COMPLETE = "complete"
    PRUNED = "pruned"
    FAIL = "fail"


class ModelRole(StrEnum):
    """The role of a trained model in its study."""

    WINNER = "winner"
    #: Another architecture of the study, trained again for an export.
    RETRAINED = "retrained"
    BASELINE = "baseline"
    FINALIST = "finalist"
    #: Several networks of the study as one model.
    ENSEMBLE = "ensemble"


@dataclass(frozen=True)
class StudyRecord:
    """The settings with which a study was created; a resume uses these and never the caller's."""

    name: str
    space_name: str
    space_json: str
    space_fingerprint: str
    data_source: str
    data_fingerprint: str
    settings: Mapping[str, Any]
    created_at: datetime
    versions: Mapping[str, str]
    package_version: str

    @property
    def space(self) -> Any:
        """`space_json`, parsed."""
        return json.loads(self.space_json)


@dataclass(frozen=True)
class StudySummary:
    """One line of the list of studies.

    Attributes:
        name: Name of the study.
        trials: Number of complete trials.
        best_valid_auc: Highest validation AUC of the trials within the study's limits.
        winner: Architecture id of the winner.
        created_at: Time of its creation.
        data_source: Name of its data.
        space_name: Name of its search space.
        reason: The reason why a trial that is ahead of the winner in a validation metric did not win.
    """

    name: str
    trials: int
    best_valid_auc: float | None
    winner: str | None
    created_at: datetime
    data_source: str
    space_name: str
    reason: str | None = None


@dataclass(frozen=True)
class KeptSummary:
    """The result of a study, as `autofi show` prints it.

    Attributes:
        summary: The result of `Study.summary()`.
        leaders: The first LEADERS rows of `Study.leaderboard()`.
        trials: Number of all its rows.
    """

    summary: Mapping[str, Any]
    leaders: Sequence[Mapping[str, Any]]
    trials: int


@dataclass(frozen=True)
class TrialRecord:
    """One trial; everything that is not known yet (or never, for a failed one) is None.

    Attributes:
        number: Number of the trial.
        state: State of the trial.
        stage: Stage of the search.
        architecture_json: The architecture as JSON.
        architecture_id: Id of the architecture.
        params: Parameters that Optuna's tools show.
        seed: Seed of the training.
        value: Value of the study's first objective.
        values: Values of all objectives by name.
        violations: Violation of every limit, at most 0 if it is kept.
        valid: Validation metrics, with the keys `auc` and `logloss`.
        parameters: Number of trained parameters.
        table_bytes: Bytes of tables.
        seconds: Training time.
        started: Start, aware UTC.
        finished: End, aware UTC.
        error: Message and place of the error of a failed trial.
        attrs: Everything else that was recorded.
    """

    number: int
    state: TrialState
    stage: str
    architecture_json: str
    architecture_id: str
    params: Mapping[str, Any]
    seed: int
    value: float | None
    values: Mapping[str, float]
    violations: Mapping[str, float]
    valid: Mapping[str, float | None] | None
    parameters: int | None
    table_bytes: int | None
    seconds: float | None
    started: datetime | None
    finished: datetime | None
    error: str | None
    attrs: Mapping[str, Any]

    @property
    def architecture(self) -> dict[str, Any]:
        """`architecture_json`, parsed at every access; empty if the study has lost it."""
        parsed: dict[str, Any] = json.loads(self.architecture_json)
        return parsed

    @property
    def feasible(self) -> bool:
        """True if it keeps every limit."""
        return all(violation <= 0 for violation in self.violations.values())


@dataclass(frozen=True)
class ModelRecord:
    """A retrained architecture or a baseline.

    Attributes:
        role: Role in the study.
        name: Name of the model.
        architecture_id: Id of the architecture; empty for a baseline outside the search space.
        seed: Seed of the training.
        refit: True if it was trained on training and validation rows.
        metrics: Metrics by part of the split.
        parameters: Number of trained parameters.
        table_bytes: Bytes of tables.
        seconds: Training time.
        path: Folder of its bundle.
        created_at: Time of the record.
    """

    role: ModelRole
    name: str
    architecture_id: str
    seed: int
    refit: bool
    metrics: Mapping[str, Any]
    parameters: int | None
    table_bytes: int | None
    seconds: float | None
    path: Path | None
    created_at: datetime


@dataclass(frozen=True)
class ExportRecord:
    """A bundle that was exported for the user, and the time of the export."""

    path: Path
    architecture_id: str
    created_at: datetime
