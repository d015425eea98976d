"""One study: everything that is read from or written to it after it was created."""

from __future__ import annotations

import json
import weakref
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import optuna
from optuna.distributions import BaseDistribution
from sqlalchemy import select

from autofi.errors import StoreError
from autofi.store.database import Database
from autofi.store.lease import Lease, acquire
from autofi.store.location import artifact_root
from autofi.store.payload import to_text
from autofi.store.records import ExportRecord, ModelRecord, ModelRole, Scalar, StudyRecord, TrialRecord
from autofi.store.shown import Shown
from autofi.store.tables import ExportRow, ModelRow, StageRow, StudyRow
from autofi.store.trial_log import TrialLog


class StudyHandle:
    """An open study; only the handle that claimed it starts trials, anything else works on any handle.

    Use it in a `with` block (or call `close`), so that the next search need not wait for this process to end.
    """

    def __init__(self, database: Database, row: StudyRow) -> None:
        self._database = database
        self._id = row.id
        self._lease: Lease | None = None
        self._started: set[int] = set()
        self.record = StudyRecord(
            name=row.name,
            space_name=row.space_name,
            space_json=row.space,
            space_fingerprint=row.space_fingerprint,
            data_source=row.data_source,
            data_fingerprint=row.data_fingerprint,
            settings=json.loads(row.settings),
            created_at=row.created_at,
            versions=json.loads(row.versions),
            package_version=row.package_version,
        )
        self._log = TrialLog(database, row.name, study_id=row.id)

    @property
    def name(self) -> str:
        return self.record.name

    @property
    def artifacts(self) -> Path:
        """The study's folder `<root>/<study>/<when it was created>`; whoever writes into it creates it.

        Another study of that name, in another database of the folder or in one that is gone, has another.
        """
        created = self.record.created_at.strftime("%Y%m%d-%H%M%S-%f")
        return artifact_root(self._database.url) / self.name / created

    @property
    def optuna_study(self) -> optuna.Study:
        """The same study for Optuna's own samplers, plots and importances."""
        return self._log.study

    @property
    def shown(self) -> Shown:
        """What optuna-dashboard shows beside the trials."""
        return self._log.shown

    # Who searches it

    def claim(self) -> tuple[int, ...]:
        """Become the one process that searches this study; numbers of the trials a dead one left RUNNING.

        Those are marked FAIL. Raises StoreError while another living process searches it.
        """
        if not self.is_claimed():
            self._lease = acquire(self._database, self._id)
            # For a handle that is dropped without close; the lease's thread does not keep the handle alive.
            weakref.finalize(self, self._lease.release)
        return self.fail_stale()

    def is_claimed(self) -> bool:
        """Whether this handle may start trials."""
        with self._database.errors():
            return self._lease is not None and self._lease.is_held()

    def close(self) -> None:
        """Give the claim back; reading and recording still work."""
        if self._lease is not None:
            with self._database.errors():
                self._lease.release()
            self._lease = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Trials

    def start_trial(
        self,
        *,
        stage: str,
        architecture_id: str,
        architecture: Mapping[str, Any],
        seed: int,
        params: Mapping[str, Scalar],
        distributions: Mapping[str, BaseDistribution],
        attrs: Mapping[str, Any] | None = None,
    ) -> int:
        """Record a RUNNING trial and return its number.

        `params` are what the dashboard shows; Optuna wants the choices of a categorical unchanged through the
        study. Raises ValueError for a parameter without a distribution or outside it.
        """
        if not self.is_claimed():
            raise StoreError(
                f"study '{self.name}' was opened for reading, or taken over; claim it to search it."
            )
        number = self._log.start(
            stage=stage,
            architecture_id=architecture_id,
            architecture=architecture,
            seed=seed,
            params=params,
            distributions=distributions,
            attrs=attrs or {},
        )
        self._started.add(number)
        return number

    def finish_trial(self, number: int, value: float, attrs: Mapping[str, Any] | None = None) -> None:
        """RUNNING becomes COMPLETE.

        Of `attrs`, TrialRecord has `valid`, `parameters`, `table_bytes` and `seconds` as fields. Raises
        ValueError for a value that is not finite (call `fail_trial`), StoreError for a trial not running.
        """
        self._log.complete(number, value, attrs=attrs or {})

    def fail_trial(self, number: int, error: BaseException | str) -> None:
        """RUNNING becomes FAIL, with the error's message and the last line of its traceback."""
        self._log.fail(number, error)

    def fail_stale(self) -> tuple[int, ...]:
        """Mark FAIL what a dead owner left RUNNING, and return the numbers; `claim` does it already."""
        if not self.is_claimed():
            raise StoreError(
                f"study '{self.name}' was opened for reading; claim it to end its running trials."
            )
        stale = tuple(number for number in self._log.running() if number not in self._started)
        for number in stale:
            self._log.fail(number, "the process that ran this trial ended before it did")
        return stale

    def find_trial(self, stage: str, architecture_id: str, seed: int) -> TrialRecord | None:
        """The COMPLETE trial of that architecture and seed in that stage: nothing is measured twice."""
        return self._log.find(stage, architecture_id, seed)

    def trial(self, number: int) -> TrialRecord | None:
        """The trial of that number, in any state."""
        return self._log.record(number)

    def infeasible(self) -> frozenset[int]:
        """Numbers of the trials that break a constraint: of their constraints in Optuna, one is above 0."""
        return self._log.infeasible()

    def trials(self) -> tuple[TrialRecord, ...]:
        """Every trial in every state, by number."""
        return self._log.records()

    # Work that is no trial

    def stage(self, key: str) -> dict[str, Any] | None:
        """What `record_stage` kept under that key."""
        with self._database.session() as session:
            text = session.scalar(
                select(StageRow.payload).where(StageRow.study_id == self._id, StageRow.key == key)
            )
        return None if text is None else json.loads(text)

    def record_stage(self, key: str, payload: Mapping[str, Any]) -> None:
        """Keep a finished piece of work; the same key again replaces it."""
        with self._database.session() as session:
            row = session.scalar(select(StageRow).where(StageRow.study_id == self._id, StageRow.key == key))
            if row is None:
                row = StageRow(study_id=self._id, key=key)
                session.add(row)
            row.payload = to_text(payload)
            row.created_at = datetime.now(UTC)

    def record_model(
        self,
        *,
        role: ModelRole | str,
        name: str,
        seed: int,
        metrics: Mapping[str, Any],
        architecture_id: str = "",
        refit: bool = False,
        parameters: int | None = None,
        table_bytes: int | None = None,
        seconds: float | None = None,
        path: Path | None = None,
    ) -> None:
        """Keep a trained model; the same (role, name, architecture, seed, refit) again replaces it.

        A path inside the folder of studies is kept relative to it, so that the folder can move.
        """
        key = {
            "role": ModelRole(role).value,
            "name": name,
            "architecture_id": architecture_id,
            "seed": int(seed),
            "refit": bool(refit),
        }
        with self._database.session() as session:
            row = session.scalar(select(ModelRow).filter_by(study_id=self._id, **key))
            if row is None:
                row = ModelRow(study_id=self._id, **key)
                session.add(row)
            row.metrics = to_text(metrics)
            row.parameters = parameters
            row.table_bytes = table_bytes
            row.seconds = seconds
            row.path = None if path is None else self._stored(path)
            row.created_at = datetime.now(UTC)

    def models(self, role: ModelRole | str | None = None) -> tuple[ModelRecord, ...]:
        """Recorded models, in the order they were first recorded."""
        query = select(ModelRow).where(ModelRow.study_id == self._id).order_by(ModelRow.id)
        if role is not None:
            query = query.where(ModelRow.role == ModelRole(role).value)
        with self._database.session() as session:
            return tuple(self._model(row) for row in session.scalars(query))

    def record_export(self, path: Path, *, architecture_id: str) -> None:
        """Keep that a bundle was written to `path`."""
        with self._database.session() as session:
            session.add(
                ExportRow(
                    study_id=self._id,
                    path=str(path.absolute()),
                    architecture_id=architecture_id,
                    created_at=datetime.now(UTC),
                )
            )

    def exports(self) -> tuple[ExportRecord, ...]:
        """Bundles written so far, oldest first."""
        query = select(ExportRow).where(ExportRow.study_id == self._id).order_by(ExportRow.id)
        with self._database.session() as session:
            return tuple(
                ExportRecord(
                    path=Path(row.path), architecture_id=row.architecture_id, created_at=row.created_at
                )
                for row in session.scalars(query)
            )

    def _stored(self, path: Path) -> str:
        absolute, root = path.absolute(), artifact_root(self._database.url)
        return absolute.relative_to(root).as_posix() if absolute.is_relative_to(root) else str(absolute)

    def _model(self, row: ModelRow) -> ModelRecord:
        return ModelRecord(
            role=ModelRole(row.role),
            name=row.name,
            architecture_id=row.architecture_id,
            seed=row.seed,
            refit=row.refit,
            metrics=json.loads(row.metrics),
            parameters=row.parameters,
            table_bytes=row.table_bytes,
            seconds=row.seconds,
            path=None if row.path is None else artifact_root(self._database.url) / row.path,
            created_at=row.created_at,
        )
