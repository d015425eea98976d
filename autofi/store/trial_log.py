"""Trials of one study in Optuna's tables, so that optuna-dashboard and every Optuna tool read them unchanged.

The sampler is never asked: the search proposes, and a trial is written with exactly its parameters.
Every write is committed at once and the state last, so a trial that reads COMPLETE is whole.
"""

from __future__ import annotations

import json
import math
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial
from sqlalchemy import select

from autofi.errors import StoreError
from autofi.quiet import quiet_optuna
from autofi.store.database import Database, patient
from autofi.store.payload import plain, to_text
from autofi.store.records import Scalar, TrialRecord, TrialState
from autofi.store.shown import Shown
from autofi.store.tables import ArchitectureRow

#: Optuna's key of what a trial is beyond its limits.
CONSTRAINTS = "constraints"
# MySQL keeps an attribute in a TEXT of 64 kB; the other databases follow, so that a study can move.
ATTRIBUTE_BYTES = 60_000
_ERROR_CHARACTERS = 2_000
_OWN = ("stage", "architecture_id", "seed", "claim", "valid", "parameters", "table_bytes", "seconds", "error")


#: Why a trial failed that another worker takes over.
LOST = "the process that ran this trial ended before it did"


@dataclass(frozen=True)
class Claimed:
    """What has become of the trial of a claim; `lost` when it ended with its worker."""

    number: int
    state: TrialState
    lost: bool


class TrialLog:
    """Writes and reads the trials of the study `name`; `study_id` is its row in our table."""

    def __init__(self, database: Database, name: str, *, study_id: int, objectives: tuple[str, ...]) -> None:
        self._database = database
        self._study_id = study_id
        self._objectives = objectives
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
        claim: str,
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
                {**attrs, "stage": stage, "architecture_id": architecture_id, "seed": seed, "claim": claim}
            ),
        )
        # First, so that no trial ever lacks its architecture.
        self._keep_architecture(architecture_id, architecture)
        storage = self._database.optuna
        again = False

        def create() -> int:
            nonlocal again
            # A server that broke off may have done what it was asked for all the same.
            if again and claim in (known := self.claimed()):
                return known[claim].number
            again = True
            with self._database.errors():
                return storage.get_trial_number_from_id(storage.create_new_trial(self._optuna_id, trial))

        return self._database.patiently(create)

    def complete(
        self,
        number: int,
        values: Sequence[float],
        *,
        attrs: Mapping[str, Any],
        violations: Mapping[str, float],
    ) -> None:
        """RUNNING becomes COMPLETE; raises ValueError for a value that is not finite, or one too many or too few."""
        if len(values) != len(self._objectives):
            raise ValueError(
                f"trial {number} has {len(values)} values; the study has the objectives {self._objectives}"
            )
        for value in (*values, *violations.values()):
            if not math.isfinite(value):
                raise ValueError(f"trial {number} has the value {value}; without a finite one it has failed")
        self._end(
            number,
            optuna.trial.TrialState.COMPLETE,
            values=[float(value) for value in values],
            attrs=attrs,
            constraints=_constraints(violations),
        )

    def fail(self, number: int, error: BaseException | str) -> None:
        """RUNNING becomes FAIL with the error's message and the place it was raised at."""
        self._end(number, optuna.trial.TrialState.FAIL, attrs={"error": _describe(error)})

    def prune(self, number: int, attrs: Mapping[str, Any]) -> None:
        """RUNNING becomes PRUNED: it was stopped on a rung, whose values are all it has."""
        self._end(number, optuna.trial.TrialState.PRUNED, attrs=attrs)

    def report(self, number: int, step: int, value: float, attrs: Mapping[str, Any]) -> None:
        """What a RUNNING trial has come to at a step: of several objectives Optuna is shown the first."""
        storage = self._database.optuna

        def write() -> None:
            with self._database.errors():
                trial_id = storage.get_trial_id_from_study_id_trial_number(self._optuna_id, number)
                storage.set_trial_intermediate_value(trial_id, step, value)
                for name, attribute in _attributes(attrs).items():
                    storage.set_trial_user_attr(trial_id, name, attribute)

        self._database.patiently(write)

    def claimed(self) -> dict[str, Claimed]:
        """Trials by the claims they carry."""
        return {
            trial.user_attrs["claim"]: Claimed(
                trial.number, TrialState[trial.state.name], _message(trial) == LOST
            )
            for trial in self._frozen()
            if "claim" in trial.user_attrs
        }

    def unclaimed(self) -> list[FrozenTrial]:
        """Trials of versions that knew no claims."""
        return [
            trial
            for trial in self._frozen()
            if "architecture_id" in trial.user_attrs and "claim" not in trial.user_attrs
        ]

    def find(self, stage: str, architecture_id: str, seed: int) -> TrialRecord | None:
        """The COMPLETE trial of that architecture and seed in that stage."""
        wanted = {"stage": stage, "architecture_id": architecture_id, "seed": seed}
        for trial in self._frozen(optuna.trial.TrialState.COMPLETE):
            if all(trial.user_attrs.get(name) == value for name, value in wanted.items()):
                return _record(trial, self._architectures(architecture_id), self._objectives)
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
            _record(trial, architectures, self._objectives)
            for trial in self._frozen()
            if "architecture_id" in trial.user_attrs
        )

    def record(self, number: int) -> TrialRecord:
        """One trial by its number; raises StoreError where AutoFI started none."""
        trial = self._trial(number)
        return _record(trial, self._architectures(trial.user_attrs["architecture_id"]), self._objectives)

    def distributions(self, number: int) -> dict[str, BaseDistribution]:
        """The distributions of a trial's parameters."""
        return dict(self._trial(number).distributions)

    def _trial(self, number: int) -> FrozenTrial:
        for trial in self._frozen():
            if trial.number == number and "architecture_id" in trial.user_attrs:
                return trial
        raise StoreError(f"study '{self.study.study_name}' has no trial {number} of AutoFI's.")

    @patient
    def _frozen(self, *states: optuna.trial.TrialState) -> list[FrozenTrial]:
        with self._database.errors():
            return self.study.get_trials(deepcopy=False, states=states or None)

    def _end(
        self,
        number: int,
        state: optuna.trial.TrialState,
        *,
        attrs: Mapping[str, Any],
        values: Sequence[float] | None = None,
        constraints: Mapping[str, Any] | None = None,
    ) -> None:
        storage = self._database.optuna
        checked = _attributes(attrs)
        again = False

        def end() -> None:
            nonlocal again
            with self._database.errors():
                trial_id = storage.get_trial_id_from_study_id_trial_number(self._optuna_id, number)
                trial = storage.get_trial(trial_id)
                # A server that broke off may have done what it was asked for all the same.
                if (
                    again
                    and trial.state == state
                    and all(trial.user_attrs.get(name) == attribute for name, attribute in checked.items())
                ):
                    return
                again = True
                for name, attribute in checked.items():
                    storage.set_trial_user_attr(trial_id, name, attribute)
                for name, constraint in (constraints or {}).items():
                    storage.set_trial_system_attr(trial_id, name, constraint)
                storage.set_trial_state_values(trial_id, state, values)

        try:
            self._database.patiently(end)
        except (optuna.exceptions.UpdateFinishedTrialError, KeyError) as error:
            raise StoreError(
                f"trial {number} of study '{self.study.study_name}' is not running: it was never started, "
                f"or another process has ended it; see `autofi show {self.study.study_name}`."
            ) from error

    def _keep_architecture(self, architecture_id: str, architecture: Mapping[str, Any]) -> None:
        if self._architectures(architecture_id):
            return
        row = {
            "study_id": self._study_id,
            "architecture_id": architecture_id,
            "architecture": to_text(architecture),
        }
        try:
            with self._database.session() as session:
                session.add(ArchitectureRow(**row))
        except StoreError:
            # Another worker was as fast, with another seed.
            if not self._architectures(architecture_id):
                raise

    @patient
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


def _message(trial: FrozenTrial) -> str:
    error = trial.user_attrs.get("error")
    return str(error.get("message", "")) if isinstance(error, dict) else ""


def _constraints(violations: Mapping[str, float]) -> dict[str, Any]:
    """What `Trial.set_constraint` keeps in Optuna 5, and beside it the list that optuna-dashboard 0.21 still reads."""
    if not violations:
        return {}
    named = {f"{CONSTRAINTS}:{name}": float(value) for name, value in violations.items()}
    return named | {CONSTRAINTS: [float(value) for value in violations.values()]}


def _describe(error: BaseException | str) -> dict[str, str]:
    if isinstance(error, str):
        return {"message": error[:_ERROR_CHARACTERS]}
    described = {"message": f"{type(error).__name__}: {error}"[:_ERROR_CHARACTERS]}
    frames = traceback.extract_tb(error.__traceback__)
    if frames:
        last = frames[-1]
        described["place"] = f"{last.filename}:{last.lineno} in {last.name}: {last.line}"[:_ERROR_CHARACTERS]
    return described


def _record(
    trial: FrozenTrial, architectures: Mapping[str, dict[str, Any]], objectives: tuple[str, ...]
) -> TrialRecord:
    attrs = trial.user_attrs
    values = trial.values if trial.state == optuna.trial.TrialState.COMPLETE else None
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
        value=None if values is None else values[0],
        values={} if values is None else dict(zip(objectives, values, strict=True)),
        # Those of the list, which Optuna numbers, say the same again.
        violations={name: value for name, value in trial.constraints.items() if not name.isdecimal()},
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
