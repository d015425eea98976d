"""The trials of a study in Optuna's tables, where optuna-dashboard and every Optuna tool can read them.

Optuna's sampler is never asked: the search proposes, and a trial is written with exactly its parameters. Architectures
and trials that have ended cannot change and are read once, so that a study of a thousand trials is read as fast as one
of ten.
"""

from __future__ import annotations

import json
import math
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial
from sqlalchemy import select
from sqlalchemy.orm import Session

from autofi.core.json import to_json_value, to_text
from autofi.core.optuna_logging import quiet_optuna
from autofi.errors import StoreError
from autofi.store.database import Database, patient
from autofi.store.optuna_dashboard_attributes import OptunaDashboardAttributes
from autofi.store.optuna_trial_rows import TrialRows
from autofi.store.plain_tables import CONSTRAINTS
from autofi.store.records import Scalar, TrialRecord, TrialState
from autofi.store.tables import ArchitectureRow

# MySQL stores an attribute in a TEXT of 64 kB. The limit is the same for all databases, so that a study can move.
ATTRIBUTE_BYTES = 60_000
_ERROR_CHARACTERS = 2_000
#: Architectures of one query, as databases limit the number of ids in it.
_READ_AT_ONCE = 500
_OWN = ("stage", "architecture_id", "seed", "claim", "valid", "parameters", "table_bytes", "seconds", "error")


#: The error of a failed trial that another worker takes over.
LOST = "the process that ran this trial ended before it did"


@dataclass(frozen=True)
class Claimed:
    """The state of a claim's trial; `lost` is True if the trial ended with its worker."""

    number: int
    state: TrialState
    lost: bool


#: A function that writes more in a transaction.
Beside = Callable[[Session], None]


def _nothing(session: Session) -> None:
    """Write nothing more."""


class TrialLog:
    """The trials of the study `name`, written and read; `study_id` is its row in our table."""

    def __init__(self, database: Database, name: str, *, study_id: int, objectives: tuple[str, ...]) -> None:
        self._database = database
        self._study_id = study_id
        self._objectives = objectives
        #: Architectures as JSON, by id; parsed, a thousand large ones would take hundreds of megabytes.
        self._architectures: dict[str, str] = {}
        #: Trials that have ended, by number.
        self._ended: dict[int, TrialRecord] = {}
        with quiet_optuna(), database.errors():
            # Optuna's storage caches finished trials, and a search reads all of them at every step.
            self.study = optuna.load_study(study_name=name, storage=database.optuna)
            self._optuna_id = database.optuna.get_study_id_from_name(name)
            self._rows = TrialRows(self._optuna_id)
        self.shown = OptunaDashboardAttributes(database, self.study)

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
        """Create a RUNNING trial and return its number.

        Raises:
            ValueError: A parameter has no distribution or lies outside it.
        """
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
        text = to_text(architecture)
        again = False

        def create() -> int:
            nonlocal again
            # A server that broke off may have committed all the same.
            if again and claim in (known := self.claimed()):
                return known[claim].number
            again = True
            with self._database.session() as session:
                self._rows.lock(session)
                self._keep_architecture(session, architecture_id, text)
                return self._rows.begin(session, trial)

        number = self._database.patiently(create)
        self._architectures.setdefault(architecture_id, text)
        return number

    def complete(
        self,
        number: int,
        values: Sequence[float],
        *,
        attrs: Mapping[str, Any],
        violations: Mapping[str, float],
        beside: Beside = _nothing,
    ) -> None:
        """Change a trial from RUNNING to COMPLETE, and run `beside` in the same transaction.

        Raises:
            ValueError: A value is not finite, or there are too many or too few.
            StoreError: The trial is not running.
        """
        if len(values) != len(self._objectives):
            raise ValueError(
                f"trial {number} has {len(values)} values, and the study has the objectives {self._objectives}"
            )
        for value in (*values, *violations.values()):
            if not math.isfinite(value):
                raise ValueError(f"trial {number} has the value {value}, which is not finite; let it fail")
        self._end(
            number,
            optuna.trial.TrialState.COMPLETE,
            values=[float(value) for value in values],
            attrs=attrs,
            constraints=_constraints(violations),
            beside=beside,
        )

    def fail(self, number: int, error: BaseException | str, *, beside: Beside = _nothing) -> None:
        """Change a trial from RUNNING to FAIL, with the error's message and place; `beside` is as in `complete`."""
        self._end(number, optuna.trial.TrialState.FAIL, attrs={"error": _describe(error)}, beside=beside)

    def prune(self, number: int, attrs: Mapping[str, Any], *, beside: Beside = _nothing) -> None:
        """Change a trial from RUNNING to PRUNED, as it was stopped on a rung; `beside` is as in `complete`."""
        self._end(number, optuna.trial.TrialState.PRUNED, attrs=attrs, beside=beside)

    def report(self, number: int, step: int, value: float, attrs: Mapping[str, Any]) -> None:
        """Record the value of a RUNNING trial at a step; of several objectives, Optuna gets the first."""
        storage = self._database.optuna

        def write() -> None:
            with self._database.errors():
                trial_id = storage.get_trial_id_from_study_id_trial_number(self._optuna_id, number)
                storage.set_trial_intermediate_value(trial_id, step, value)
                for name, attribute in _attributes(attrs).items():
                    storage.set_trial_user_attr(trial_id, name, attribute)

        self._database.patiently(write)

    def claimed(self) -> dict[str, Claimed]:
        """Return the trials by their claims."""
        return {
            trial.user_attrs["claim"]: Claimed(
                trial.number, TrialState[trial.state.name], _message(trial) == LOST
            )
            for trial in self._frozen()
            if "claim" in trial.user_attrs
        }

    def unclaimed(self) -> list[FrozenTrial]:
        """Return the trials of versions without claims."""
        return [
            trial
            for trial in self._frozen()
            if "architecture_id" in trial.user_attrs and "claim" not in trial.user_attrs
        ]

    def records(self) -> tuple[TrialRecord, ...]:
        """Return all trials that AutoFI started, by number."""
        trials = [trial for trial in self._frozen() if "architecture_id" in trial.user_attrs]
        self._read_architectures(trial.user_attrs["architecture_id"] for trial in trials)
        return tuple(map(self._record, trials))

    def record(self, number: int) -> TrialRecord:
        """Return a trial by its number.

        Raises:
            StoreError: AutoFI has started no such trial.
        """
        if (ended := self._ended.get(number)) is not None:
            return ended
        trial = self._trial(number)
        self._read_architectures([trial.user_attrs["architecture_id"]])
        return self._record(trial)

    def distributions(self, number: int) -> dict[str, BaseDistribution]:
        """Return the distributions of a trial's parameters."""
        return dict(self._trial(number).distributions)

    def _trial(self, number: int) -> FrozenTrial:
        for trial in self._frozen():
            if trial.number == number and "architecture_id" in trial.user_attrs:
                return trial
        raise StoreError(f"study '{self.study.study_name}' has no trial {number} that AutoFI started.")

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
        values: Sequence[float] = (),
        constraints: Mapping[str, Any] | None = None,
        beside: Beside,
    ) -> None:
        checked = _attributes(attrs)
        again = False

        def end() -> bool:
            nonlocal again
            # A server that broke off may have committed all the same.
            if again and self._has_ended(number, state, checked):
                return True
            again = True
            with self._database.session() as session:
                ended = self._rows.end(
                    session, number, state, values=values, attrs=checked, system=constraints or {}
                )
                if ended:
                    beside(session)
                return ended

        if not self._database.patiently(end):
            raise StoreError(
                f"trial {number} of study '{self.study.study_name}' is not running, as it was never started or another "
                f"process has ended it; see `autofi show {self.study.study_name}`."
            )

    def _has_ended(self, number: int, state: optuna.trial.TrialState, attrs: Mapping[str, Any]) -> bool:
        """Return True if the trial has ended in this state with these attributes."""
        return any(
            trial.state == state
            and all(trial.user_attrs.get(name) == attribute for name, attribute in attrs.items())
            for trial in self._frozen()
            if trial.number == number
        )

    def _record(self, trial: FrozenTrial) -> TrialRecord:
        if (ended := self._ended.get(trial.number)) is not None:
            return ended
        text = self._architectures.get(trial.user_attrs["architecture_id"], "{}")
        record = _record(trial, text, self._objectives)
        if trial.state.is_finished():
            self._ended[trial.number] = record
        return record

    def _keep_architecture(self, session: Session, architecture_id: str, text: str) -> None:
        """Store an architecture in the transaction of its first trial, so that no trial ever lacks its architecture."""
        if architecture_id in self._architectures:
            return
        query = select(ArchitectureRow.id).where(
            ArchitectureRow.study_id == self._study_id, ArchitectureRow.architecture_id == architecture_id
        )
        if session.scalar(query) is None:
            session.add(
                ArchitectureRow(
                    study_id=self._study_id,
                    architecture_id=architecture_id,
                    architecture=text,
                )
            )

    @patient
    def _read_architectures(self, architecture_ids: Iterable[str]) -> None:
        """Read the architectures that have not been read yet."""
        missing = sorted(set(architecture_ids) - self._architectures.keys())
        if not missing:
            return
        with self._database.session() as session:
            for start in range(0, len(missing), _READ_AT_ONCE):
                query = select(ArchitectureRow.architecture_id, ArchitectureRow.architecture).where(
                    ArchitectureRow.study_id == self._study_id,
                    ArchitectureRow.architecture_id.in_(missing[start : start + _READ_AT_ONCE]),
                )
                for name, text in session.execute(query):
                    self._architectures[name] = text


def _attributes(attrs: Mapping[str, Any]) -> dict[str, Any]:
    checked = {name: to_json_value(value) for name, value in attrs.items()}
    for name, value in checked.items():
        size = len(json.dumps(value))
        if size > ATTRIBUTE_BYTES:
            raise ValueError(
                f"attribute '{name}' has {size} bytes, and {ATTRIBUTE_BYTES} is the most; record a stage instead"
            )
    return checked


def _message(trial: FrozenTrial) -> str:
    error = trial.user_attrs.get("error")
    return str(error.get("message", "")) if isinstance(error, dict) else ""


def _constraints(violations: Mapping[str, float]) -> dict[str, Any]:
    """Return violations as `Trial.set_constraint` of Optuna 5 stores them, and as a list for optuna-dashboard 0.21."""
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


def _record(trial: FrozenTrial, architecture_json: str, objectives: tuple[str, ...]) -> TrialRecord:
    attrs = trial.user_attrs
    values = trial.values if trial.state == optuna.trial.TrialState.COMPLETE else None
    error = attrs.get("error")
    if isinstance(error, dict):
        error = " at ".join(error[part] for part in ("message", "place") if part in error)
    return TrialRecord(
        number=trial.number,
        state=TrialState[trial.state.name],
        stage=attrs.get("stage", ""),
        architecture_json=architecture_json,
        architecture_id=attrs["architecture_id"],
        params=dict(trial.params),
        seed=attrs.get("seed", 0),
        value=None if values is None else values[0],
        values={} if values is None else dict(zip(objectives, values, strict=True)),
        # Optuna numbers the constraints of the list, which repeat those with a name.
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
    # Optuna 5 stores UTC and returns naive local time.
    return None if moment is None else moment.astimezone(UTC)
