"""The handle of one study, by which it is read and written after it was created."""

from __future__ import annotations

import json
import weakref
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import optuna
from optuna.distributions import BaseDistribution
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from autofi.core.json import to_text
from autofi.errors import StoreError
from autofi.objectives.objectives import Direction, Goals
from autofi.store.claims import MOST_ATTEMPTS, Claim, Claims, ClaimState
from autofi.store.database import Database, patient
from autofi.store.delete_rename import study_folder
from autofi.store.kept_summary import read_summary, read_version, summary_payload
from autofi.store.lease import Lease, acquire, is_led, join, joined
from autofi.store.optuna_dashboard_attributes import OptunaDashboardAttributes
from autofi.store.optuna_stages import StageTrial, write_stage
from autofi.store.optuna_trials import LOST, Claimed, TrialLog
from autofi.store.records import (
    ExportRecord,
    KeptSummary,
    ModelRecord,
    ModelRole,
    Scalar,
    StudyRecord,
    TrialRecord,
    TrialState,
)
from autofi.store.stage_keys import SUMMARY
from autofi.store.storage_url import artifact_root
from autofi.store.tables import ExportRow, ModelRow, StageRow, StudyRow


class StudyHandle:
    """An open study.

    One handle at a time leads its search (`claim`). Any number may work on its trials; each claims what it measures
    (`start_trial`, `take_over`), so that no other does. All other methods work on any handle.

    Use it in a `with` block (or call `close`), so that the next search need not wait for the end of this process.
    """

    def __init__(self, database: Database, row: StudyRow) -> None:
        self._database = database
        self._id = row.id
        self._lease: Lease | None = None
        self._worker: Lease | None = None
        self._claims = Claims(database, row.id)
        #: The claims of the trials that this handle runs, by number.
        self._running: dict[int, str] = {}
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
        self.goals = Goals.from_json(self.record.settings)
        self._log = TrialLog(database, row.name, study_id=row.id, objectives=self.goals.names)

    @property
    def name(self) -> str:
        return self.record.name

    @property
    def artifacts(self) -> Path:
        """The study's folder (see `study_folder`), which a writer has to create.

        A study of that name in another database, or one that was deleted, has another folder.
        """
        return study_folder(self._database, self.name, self.record.created_at)

    @property
    def is_local(self) -> bool:
        """True if the studies are in a file, so that their readers see the files beside it, too."""
        return self._database.url.file is not None

    @property
    def optuna_study(self) -> optuna.Study:
        """The Optuna study, for Optuna's own samplers, plots and importances."""
        return self._log.study

    @property
    def shown(self) -> OptunaDashboardAttributes:
        """The notes, figures and files for optuna-dashboard."""
        return self._log.shown

    # The leader of the search, and its workers

    def claim(self) -> tuple[int, ...]:
        """Become the one process that leads the search of this study.

        Returns:
            Numbers of the RUNNING trials of dead processes, which are FAIL now.

        Raises:
            StoreError: Another living process leads it.
        """
        if not self.is_claimed():
            self._lease = acquire(self._database, self._id)
            # This is for a handle that is dropped without close; the lease's thread does not keep it alive.
            weakref.finalize(self, self._lease.release)
        return tuple(sorted({*self._adopt(), *self.reap()}))

    def is_claimed(self) -> bool:
        """Return True if this handle leads the search."""
        with self._database.errors():
            return self._lease is not None and self._lease.is_held()

    def close(self) -> None:
        """Release the claim, and leave as a worker; reading and recording still work."""
        for lease in (self._lease, self._worker):
            if lease is not None:
                lease.release()
        self._lease = self._worker = None

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
        most: int | None = None,
    ) -> int | None:
        """Record a RUNNING trial of this process and return its number.

        Args:
            stage: Stage of the search.
            architecture_id: Id of the architecture.
            architecture: The architecture.
            seed: Seed of the training.
            params: Parameters that the dashboard shows.
            distributions: Distributions of the parameters; Optuna needs the choices of a categorical to be the same in
                all trials.
            attrs: Other attributes.
            most: Most trials of the stage that run or are complete.

        Returns:
            The number, or None if any worker has claimed the architecture with this seed, or the stage has `most`
            trials.

        Raises:
            ValueError: A parameter has no distribution or lies outside it.
        """
        claim = self._claims.take(
            self._join(), stage=stage, architecture_id=architecture_id, seed=seed, most=most
        )
        if claim is None:
            return None
        try:
            number = self._log.start(
                stage=stage,
                architecture_id=architecture_id,
                architecture=architecture,
                seed=seed,
                claim=claim.name,
                params=params,
                distributions=distributions,
                attrs=attrs or {},
            )
        except BaseException:
            self._claims.abandon(claim.name)
            raise
        self._running[number] = claim.name
        return number

    def take_over(self, stage: str) -> TrialRecord | None:
        """Return a new RUNNING trial of this process that repeats one of a dead process, or None if there is none.

        The new trial has the attribute `retry_of`. After MOST_ATTEMPTS an architecture has failed.
        """
        claim = self._claims.take_over(self._join(), stage)
        if claim is None:
            return None
        died = self._log.record(max(self._attempts(claim, self._log.claimed())))
        number = self._log.start(
            stage=stage,
            architecture_id=died.architecture_id,
            architecture=died.architecture,
            seed=died.seed,
            claim=claim.name,
            params=died.params,
            distributions=self._log.distributions(died.number),
            attrs={**died.attrs, "retry_of": died.number},
        )
        self._running[number] = claim.name
        return self._log.record(number)

    def finish_trial(
        self,
        number: int,
        value: float | Sequence[float],
        attrs: Mapping[str, Any] | None = None,
        *,
        violations: Mapping[str, float] | None = None,
    ) -> None:
        """Change a trial from RUNNING to COMPLETE.

        Args:
            number: Number of the trial.
            value: Values of the objectives, in their order.
            attrs: Attributes; `valid`, `parameters`, `table_bytes` and `seconds` become fields of `TrialRecord`.
            violations: Violations by limit.

        Raises:
            ValueError: A value is not finite; call `fail_trial` instead.
            StoreError: The trial is not running.
        """
        values = tuple(value) if isinstance(value, Sequence) else (value,)
        self._log.complete(
            number,
            values,
            attrs=attrs or {},
            violations=violations or {},
            beside=self._closing(number, ClaimState.COMPLETE),
        )
        self._running.pop(number, None)

    def report_rung(self, number: int, rung: int, step: int, values: Sequence[float]) -> None:
        """Record the values of the objectives of a RUNNING trial on a rung, in its attribute `rungs`.

        `step` is the number of training rows, for Optuna.
        """
        known = self._log.record(number).attrs.get("rungs", {})
        rungs = {**known, str(rung): [float(value) for value in values]}
        self._log.report(number, step, float(values[0]), {"rungs": rungs})

    def prune_trial(self, number: int, attrs: Mapping[str, Any] | None = None) -> None:
        """Change a trial from RUNNING to PRUNED, as others did better on its rung; it counts as a trial."""
        self._log.prune(number, attrs or {}, beside=self._closing(number, ClaimState.COMPLETE))
        self._running.pop(number, None)

    def fail_trial(self, number: int, error: BaseException | str) -> None:
        """Change a trial from RUNNING to FAIL, with the error's message and the last line of its traceback."""
        self._log.fail(number, error, beside=self._closing(number, ClaimState.FAILED))
        self._running.pop(number, None)

    def give_up_trial(self, number: int, error: BaseException) -> None:
        """Change a trial from RUNNING to FAIL, and let a worker repeat it, as the architecture is not at fault."""
        self._log.fail(number, error, beside=self._closing(number, ClaimState.LOST))
        self._running.pop(number, None)

    def reap(self) -> tuple[int, ...]:
        """Free the claims of dead workers for `take_over`, and return the numbers of their trials, now FAIL."""
        orphans = self._claims.orphans()
        if not orphans:
            return ()
        trials, reaped = self._log.claimed(), []
        for claim in orphans:
            trial, again = trials.get(claim.name), claim.attempt < MOST_ATTEMPTS
            if trial is None:
                # It died between the claim and the trial.
                if self._attempts(claim, trials):
                    self._claims.close(claim.name, ClaimState.LOST if again else ClaimState.FAILED)
                else:
                    self._claims.abandon(claim.name)
                continue
            lost = trial.lost
            if trial.state is TrialState.RUNNING:
                try:
                    self._log.fail(trial.number, LOST)
                except StoreError:
                    # Its worker was only cut off and has just ended it; the next call sees the result.
                    continue
                lost = True
                reaped.append(trial.number)
            if trial.state in (TrialState.COMPLETE, TrialState.PRUNED):
                self._claims.close(claim.name, ClaimState.COMPLETE)
            else:
                self._claims.close(claim.name, ClaimState.LOST if lost and again else ClaimState.FAILED)
        return tuple(reaped)

    @staticmethod
    def _attempts(claim: Claim, trials: Mapping[str, Claimed]) -> list[int]:
        """Return the numbers of the trials of all attempts at a claim."""
        return [trial.number for name, trial in trials.items() if name.split(".")[0] == str(claim.id)]

    def pending(self, stage: str) -> int:
        """Return the number of trials of a stage that run in a worker, or wait for one that takes them over."""
        return self._claims.pending(stage)

    def counted(self, stage: str) -> int:
        """Return the number of trials of a stage that run, wait or are complete: that is limited by `most`."""
        return self._claims.counted(stage)

    def taken(self, stage: str) -> frozenset[str]:
        """Return the ids of all architectures that were ever claimed in a stage."""
        return self._claims.taken(stage)

    def is_led(self) -> bool:
        """Return True if a living process leads the search of this study."""
        return self._database.patiently(lambda: is_led(self._database, self._id))

    def joined(self) -> set[int]:
        """Return the process ids of the workers on this machine that have begun a trial and not left."""
        return self._database.patiently(lambda: joined(self._database, self._id))

    def _join(self) -> int:
        if self._worker is None:
            self._worker = self._database.patiently(lambda: join(self._database, self._id))
            weakref.finalize(self, self._worker.release)
        return self._worker.row_id

    def _closing(self, number: int, state: ClaimState) -> Callable[[Session], None]:
        """Return a function that settles the claim of a trial of this handle in the trial's transaction."""
        claim = self._running.get(number)

        def close(session: Session) -> None:
            if claim is not None:
                self._claims.close_in(session, claim, state)

        return close

    def _adopt(self) -> tuple[int, ...]:
        """Adopt the trials of versions without claims: complete ones count, and running ones fail, as they are dead."""
        found = self._log.unclaimed()
        complete = [trial.user_attrs for trial in found if trial.state == optuna.trial.TrialState.COMPLETE]
        if complete:
            self._claims.adopt(
                (attrs["stage"], attrs["architecture_id"], attrs["seed"]) for attrs in complete
            )
        running = tuple(trial.number for trial in found if trial.state == optuna.trial.TrialState.RUNNING)
        for number in running:
            self._log.fail(number, LOST)
        return running

    def trial(self, number: int) -> TrialRecord:
        """Return a trial by its number, in any state.

        Raises:
            StoreError: There is no such trial.
        """
        return self._log.record(number)

    def trials(self) -> tuple[TrialRecord, ...]:
        """Return all trials in any state, by number."""
        return self._log.records()

    def write_stage(
        self,
        stage: str,
        trials: Sequence[StageTrial],
        *,
        measured: str,
        direction: Direction,
        about: Mapping[str, Any],
    ) -> None:
        """Write a stage as the Optuna study `NAME/STAGE`; trials that it has already are skipped."""
        write_stage(
            self._database,
            self.optuna_study,
            stage,
            trials,
            created=self.record.created_at.isoformat(),
            measured=measured,
            direction=direction,
            about=about,
        )

    # Records besides trials

    @patient
    def stage(self, key: str) -> dict[str, Any] | None:
        """Return the payload that `record_stage` stored under that key, or None."""
        with self._database.session() as session:
            text = session.scalar(
                select(StageRow.payload).where(StageRow.study_id == self._id, StageRow.key == key)
            )
        return None if text is None else json.loads(text)

    @patient
    def record_stage(self, key: str, payload: Mapping[str, Any]) -> None:
        """Store a finished piece of work; an earlier one under that key is replaced."""
        with self._database.session() as session:
            row = session.scalar(select(StageRow).where(StageRow.study_id == self._id, StageRow.key == key))
            if row is None:
                row = StageRow(study_id=self._id, key=key)
                session.add(row)
            row.payload = to_text(payload)
            row.created_at = datetime.now(UTC)

    @patient
    def stages(self, prefix: str) -> dict[str, dict[str, Any]]:
        """Return all payloads under keys with that prefix, by key, in the order of their first record."""
        query = select(StageRow.key, StageRow.payload).where(
            StageRow.study_id == self._id, StageRow.key.startswith(prefix, autoescape=True)
        )
        with self._database.session() as session:
            return {key: json.loads(text) for key, text in session.execute(query.order_by(StageRow.id))}

    @patient
    def drop_stages(self, prefix: str) -> None:
        """Delete all payloads under keys with that prefix."""
        with self._database.session() as session:
            session.execute(
                delete(StageRow).where(
                    StageRow.study_id == self._id, StageRow.key.startswith(prefix, autoescape=True)
                )
            )

    @patient
    def summary_version(self) -> list[Any]:
        """Return a value that changes with everything that the summary of the study tells."""
        with self._database.session() as session:
            return read_version(session.connection(), self.name)

    @patient
    def kept_summary(self) -> KeptSummary | None:
        """Return the summary that was kept last; None if there is none, or the study has changed since."""
        with self._database.session() as session:
            return read_summary(session.connection(), self.name, self._database.url)

    def keep_summary(self, found: KeptSummary, version: list[Any]) -> None:
        """Keep a summary that was computed after `version` was read by `summary_version`."""
        self.record_stage(SUMMARY, summary_payload(version, found))

    @patient
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
        """Store a trained model; an earlier one of that role, name, architecture, seed and refit is replaced.

        A path inside the folder of studies is stored relative to it, so that the folder can move.
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

    @patient
    def models(self, role: ModelRole | str | None = None) -> tuple[ModelRecord, ...]:
        """Return the models in the order of their first record."""
        query = select(ModelRow).where(ModelRow.study_id == self._id).order_by(ModelRow.id)
        if role is not None:
            query = query.where(ModelRow.role == ModelRole(role).value)
        with self._database.session() as session:
            return tuple(self._model(row) for row in session.scalars(query))

    @patient
    def record_export(self, path: Path, *, architecture_id: str) -> None:
        """Record that a bundle was written to `path`."""
        with self._database.session() as session:
            session.add(
                ExportRow(
                    study_id=self._id,
                    path=str(path.absolute()),
                    architecture_id=architecture_id,
                    created_at=datetime.now(UTC),
                )
            )

    @patient
    def exports(self) -> tuple[ExportRecord, ...]:
        """Return the bundles written so far, oldest first."""
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
