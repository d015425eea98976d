"""Trials of one study in Optuna's tables, so that optuna-dashboard and every Optuna tool read them unchanged.

The sampler is never asked: the search proposes, and a trial is written with exactly its parameters.
Every write is committed at once and the state last, so a trial that reads COMPLETE is whole.
"""

from __future__ import annotations

import json
import math
import traceback
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.trial import FrozenTrial
from sqlalchemy import select

from autofi.errors import StoreError
from autofi.store.database import Database
from autofi.store.payload import plain, to_text
from autofi.store.records import Scalar, TrialRecord, TrialState
from autofi.store.shown import Shown
from autofi.store.tables import ArchitectureRow

METRIC_NAME = "valid AUC"
# MySQL keeps an attribute in a TEXT of 64 kB; the other databases follow, so that a study can move.
ATTRIBUTE_BYTES = 60_000
_ERROR_CHARACTERS = 2_000
_OWN = ("stage", "architecture_id", "seed", "valid", "parameters", "table_bytes", "seconds", "error")


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """No experimental warnings and no INFO lines from Optuna inside; its settings return afterwards."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(max(level, optuna.logging.WARNING))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(level)


class TrialLog:
    """Writes and reads the trials of the study `name`; `study_id` is its row in our table."""

    def __init__(self, database: Database, name: str, *, study_id: int) -> None:
        self._database = database
        self._study_id = study_id
        with quiet_optuna(), database.errors():
            # Its storage caches finished trials; a search reads all of them at every step.
            self.study = optuna.load_study(study_name=name, storage=database.optuna)
            self._optuna_id = database.optuna.get_study_id_from_name(name)
        self.shown = Shown(database, self.study)

    def start(
        self,
        *,
        stage: str,
        architecture_id: str,
        architecture: Mapping[str, Any],
        seed: int,
        params: Mapping[str, Scalar],
        distributions: Mapping[str, BaseDistribution],
        attrs: Mapping[str, Any],
    ) -> int:
        """Number of a new RUNNING trial; raises ValueError for a parameter outside its distribution."""
        for name in params:
            if name not in distributions:
                raise ValueError(f"parameter '{name}' has no distribution")
        trial = optuna.trial.create_trial(
            state=optuna.trial.TrialState.RUNNING,
            params=dict(params),
            distributions={name: distributions[name] for name in params},
            user_attrs=_attributes(
                {**attrs, "stage": stage, "architecture_id": architecture_id, "seed": seed}
            ),
        )
        # First, so that no trial ever lacks its architecture.
        self._keep_architecture(architecture_id, architecture)
        storage = self._database.optuna
        with self._database.errors():
            return storage.get_trial_number_from_id(storage.create_new_trial(self._optuna_id, trial))

    def complete(self, number: int, value: float, *, attrs: Mapping[str, Any]) -> None:
        """RUNNING becomes COMPLETE; raises ValueError for a value that is not finite."""
        if not math.isfinite(value):
            raise ValueError(f"trial {number} has the value {value}; without a finite one it has failed")
        self._end(number, optuna.trial.TrialState.COMPLETE, value=float(value), attrs=attrs)

    def fail(self, number: int, error: BaseException | str) -> None:
        """RUNNING becomes FAIL with the error's message and the place it was raised at."""
        self._end(number, optuna.trial.TrialState.FAIL, value=None, attrs={"error": _describe(error)})

    def running(self) -> tuple[int, ...]:
        """Numbers of the RUNNING trials."""
        return tuple(trial.number for trial in self._frozen(optuna.trial.TrialState.RUNNING))

    def find(self, stage: str, architecture_id: str, seed: int) -> TrialRecord | None:
        """The COMPLETE trial of that architecture and seed in that stage."""
        wanted = {"stage": stage, "architecture_id": architecture_id, "seed": seed}
        for trial in self._frozen(optuna.trial.TrialState.COMPLETE):
            if all(trial.user_attrs.get(name) == value for name, value in wanted.items()):
                return _record(trial, self._architectures(architecture_id))
        return None

    def record(self, number: int) -> TrialRecord | None:
        """The trial of that number, if AutoFI started it."""
        for trial in self._frozen():
            if trial.number == number and "architecture_id" in trial.user_attrs:
                return _record(trial, self._architectures(trial.user_attrs["architecture_id"]))
        return None

    def infeasible(self) -> frozenset[int]:
        """Numbers of the trials with a constraint of Optuna's above 0."""
        return frozenset(
            trial.number for trial in self._frozen() if any(value > 0 for value in trial.constraints.values())
        )

    def records(self) -> tuple[TrialRecord, ...]:
        """All trials that AutoFI started, by number."""
        architectures = self._architectures()
        return tuple(
            _record(trial, architectures) for trial in self._frozen() if "architecture_id" in trial.user_attrs
        )

    def _frozen(self, *states: optuna.trial.TrialState) -> list[FrozenTrial]:
        with self._database.errors():
            return self.study.get_trials(deepcopy=False, states=states or None)

    def _end(
        self,
        number: int,
        state: optuna.trial.TrialState,
        *,
        value: float | None,
        attrs: Mapping[str, Any],
    ) -> None:
        storage = self._database.optuna
        checked = _attributes(attrs)
        try:
            with self._database.errors():
                trial_id = storage.get_trial_id_from_study_id_trial_number(self._optuna_id, number)
                for name, attribute in checked.items():
                    storage.set_trial_user_attr(trial_id, name, attribute)
                storage.set_trial_state_values(trial_id, state, None if value is None else [value])
        except (optuna.exceptions.UpdateFinishedTrialError, KeyError) as error:
            raise StoreError(
                f"trial {number} of study '{self.study.study_name}' is not running: it was never started, "
                f"or another process has ended it; see `autofi show {self.study.study_name}`."
            ) from error

    def _keep_architecture(self, architecture_id: str, architecture: Mapping[str, Any]) -> None:
        if self._architectures(architecture_id):
            return
        with self._database.session() as session:
            session.add(
                ArchitectureRow(
                    study_id=self._study_id,
                    architecture_id=architecture_id,
                    architecture=to_text(architecture),
                )
            )

    def _architectures(self, architecture_id: str | None = None) -> dict[str, dict[str, Any]]:
        query = select(ArchitectureRow.architecture_id, ArchitectureRow.architecture).where(
            ArchitectureRow.study_id == self._study_id
        )
        if architecture_id is not None:
            query = query.where(ArchitectureRow.architecture_id == architecture_id)
        with self._database.session() as session:
            return {name: json.loads(text) for name, text in session.execute(query)}


def _attributes(attrs: Mapping[str, Any]) -> dict[str, Any]:
    checked = {name: plain(value) for name, value in attrs.items()}
    for name, value in checked.items():
        size = len(json.dumps(value))
        if size > ATTRIBUTE_BYTES:
            raise ValueError(
                f"attribute '{name}' has {size} bytes, at most {ATTRIBUTE_BYTES}; record a stage"
            )
    return checked


def _describe(error: BaseException | str) -> dict[str, str]:
    if isinstance(error, str):
        return {"message": error[:_ERROR_CHARACTERS]}
    described = {"message": f"{type(error).__name__}: {error}"[:_ERROR_CHARACTERS]}
    frames = traceback.extract_tb(error.__traceback__)
    if frames:
        last = frames[-1]
        described["place"] = f"{last.filename}:{last.lineno} in {last.name}: {last.line}"[:_ERROR_CHARACTERS]
    return described


def _record(trial: FrozenTrial, architectures: Mapping[str, dict[str, Any]]) -> TrialRecord:
    attrs = trial.user_attrs
    error = attrs.get("error")
    if isinstance(error, dict):
        error = " at ".join(error[part] for part in ("message", "place") if part in error)
    return TrialRecord(
        number=trial.number,
        state=TrialState[trial.state.name],
        stage=attrs.get("stage", ""),
        architecture=architectures.get(attrs["architecture_id"], {}),
        architecture_id=attrs["architecture_id"],
        params=dict(trial.params),
        seed=attrs.get("seed", 0),
        value=trial.value if trial.state == optuna.trial.TrialState.COMPLETE else None,
        valid=attrs.get("valid"),
        parameters=attrs.get("parameters"),
        table_bytes=attrs.get("table_bytes"),
        seconds=attrs.get("seconds"),
        started=_utc(trial.datetime_start),
        finished=_utc(trial.datetime_complete),
        error=error,
        attrs={name: value for name, value in attrs.items() if name not in _OWN},
    )


def _utc(moment: datetime | None) -> datetime | None:
    # Optuna 5 stores UTC and hands out naive local time.
    return None if moment is None else moment.astimezone(UTC)
