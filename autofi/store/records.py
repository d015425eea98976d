"""The frozen nouns that the store hands out: study, trial, model, export."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

Scalar = str | int | float | bool | None


class TrialState(StrEnum):
    """Optuna's states, by its names."""

    WAITING = "waiting"
    RUNNING = "running"
    COMPLETE = "complete"
    PRUNED = "pruned"
    FAIL = "fail"


class ModelRole(StrEnum):
    """What a trained model is in its study."""

    WINNER = "winner"
    #: Another architecture of the study, trained anew to be exported.
    RETRAINED = "retrained"
    BASELINE = "baseline"
    FINALIST = "finalist"


@dataclass(frozen=True)
class StudyRecord:
    """How a study was created; a resume uses this and never the caller's."""

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

    `trials` counts the complete ones, `best_valid_auc` is the highest of those within the study's limits,
    `winner` the architecture id of the winner, `reason` why a trial that is ahead of it in a validation figure did not
    win.
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
class TrialRecord:
    """One measured architecture; what is not known yet (or never, for a failed one) is None.

    `value` is that of the study's first objective and `values` has all of them by name; `violations` says by limit how
    far it was missed, at most 0 where it was kept. `valid` has the keys `auc` and `logloss`, `seconds` is training
    time, `started` and `finished` are aware UTC, `attrs` holds everything else that was recorded.
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
        """`architecture_json`, parsed anew; empty where the study has lost it."""
        parsed: dict[str, Any] = json.loads(self.architecture_json)
        return parsed

    @property
    def feasible(self) -> bool:
        """Whether it keeps every limit."""
        return all(violation <= 0 for violation in self.violations.values())


@dataclass(frozen=True)
class ModelRecord:
    """A retrained architecture or a baseline.

    `metrics` maps a split part to its measures; `path` is the folder of its bundle.
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
    """A bundle handed to the user, and when."""

    path: Path
    architecture_id: str
    created_at: datetime
