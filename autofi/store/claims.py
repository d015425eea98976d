"""Claims of workers on architectures: no two workers measure one, and none is lost if its worker dies.

A claim is taken before its trial begins and closed after it has ended. The fate of a claim whose worker died is read
from its trial. Optuna changes the state of a trial only once, so that a worker that was only cut off and another that
takes over from it cannot both end a trial.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import ColumnElement, Select, delete, func, select, update
from sqlalchemy.orm import Session

from autofi.core.process_identity import current_process
from autofi.store.database import Database, patient
from autofi.store.database_clock import read_clock
from autofi.store.lease import is_alive
from autofi.store.tables import ClaimRow, StudyRow, WorkerRow

#: Most workers that an architecture may cost; one that kills every process that trains it has failed.
MOST_ATTEMPTS = 3


class ClaimState(StrEnum):
    """The state of a claim; a LOST one waits for another worker."""

    RUNNING = "running"
    COMPLETE = "complete"
    FAILED = "failed"
    LOST = "lost"


#: States that count towards the number of trials asked for; a failed trial is replaced.
_COUNTED = (ClaimState.RUNNING, ClaimState.COMPLETE, ClaimState.LOST)


@dataclass(frozen=True)
class Claim:
    """An attempt at a claim; its trial has its `name` as an attribute."""

    id: int
    attempt: int
    architecture_id: str
    seed: int

    @property
    def name(self) -> str:
        return f"{self.id}.{self.attempt}"


class Claims:
    """The claims of one study."""

    def __init__(self, database: Database, study_id: int) -> None:
        self._database = database
        self._study_id = study_id

    @patient
    def take(
        self, worker_id: int, *, stage: str, architecture_id: str, seed: int, most: int | None
    ) -> Claim | None:
        """Return the claim on an architecture, or None if a worker has it or the stage has `most` claims."""
        with self._alone() as session:
            known = session.scalar(
                self._rows(stage).where(ClaimRow.architecture_id == architecture_id, ClaimRow.seed == seed)
            )
            if known is not None or (most is not None and self._count(session, stage, _COUNTED) >= most):
                return None
            row = ClaimRow(
                study_id=self._study_id,
                stage=stage,
                architecture_id=architecture_id,
                seed=seed,
                worker_id=worker_id,
                attempt=1,
                state=ClaimState.RUNNING,
            )
            session.add(row)
            session.flush()
            return _claim(row)

    @patient
    def take_over(self, worker_id: int, stage: str) -> Claim | None:
        """Return a claim whose worker died, or None if there is none."""
        lost = self._rows(stage).where(ClaimRow.state == ClaimState.LOST).limit(1)
        # Every worker asks before every trial, and nearly always there is none, so the first look takes no lock.
        with self._database.session() as session:
            if session.scalar(lost) is None:
                return None
        with self._alone() as session:
            row = session.scalar(lost)
            if row is None:
                return None
            row.worker_id, row.attempt, row.state = worker_id, row.attempt + 1, ClaimState.RUNNING
            return _claim(row)

    @patient
    def close(self, name: str, state: ClaimState) -> None:
        """Change a claim from RUNNING to `state`; do nothing if another worker has taken it over."""
        with self._database.session() as session:
            self.close_in(session, name, state)

    def close_in(self, session: Session, name: str, state: ClaimState) -> None:
        """Settle a claim in the transaction that ends its trial."""
        session.execute(
            update(ClaimRow).where(*_running(name)).values(state=state),
            execution_options={"synchronize_session": False},
        )

    @patient
    def abandon(self, name: str) -> None:
        """Delete a claim whose worker died before its trial began, so that the architecture is free again."""
        with self._database.session() as session:
            session.execute(delete(ClaimRow).where(*_running(name)))

    @patient
    def orphans(self) -> list[Claim]:
        """Return the claims that run in no living worker."""
        me = current_process()
        query = (
            select(ClaimRow, WorkerRow)
            .outerjoin(WorkerRow, ClaimRow.worker_id == WorkerRow.id)
            .where(ClaimRow.study_id == self._study_id, ClaimRow.state == ClaimState.RUNNING)
        )
        with self._database.session() as session:
            now = read_clock(session)
            return [
                _claim(row)
                for row, worker in session.execute(query)
                if worker is None or not is_alive(worker, me, now)
            ]

    @patient
    def pending(self, stage: str) -> int:
        """Return the number of claims of a stage that run in a worker or wait for one."""
        with self._database.session() as session:
            return self._count(session, stage, (ClaimState.RUNNING, ClaimState.LOST))

    @patient
    def counted(self, stage: str) -> int:
        """Return the number of claims of a stage that count towards the number of trials asked for."""
        with self._database.session() as session:
            return self._count(session, stage, _COUNTED)

    @patient
    def taken(self, stage: str) -> frozenset[str]:
        """Return the ids of all architectures that were claimed in a stage."""
        query = select(ClaimRow.architecture_id).where(
            ClaimRow.study_id == self._study_id, ClaimRow.stage == stage
        )
        with self._database.session() as session:
            return frozenset(session.scalars(query))

    @patient
    def adopt(self, trials: Iterable[tuple[str, str, int]]) -> None:
        """Add claims for complete trials of versions without claims, given as (stage, architecture, seed)."""
        with self._alone() as session:
            query = select(ClaimRow.stage, ClaimRow.architecture_id, ClaimRow.seed).where(
                ClaimRow.study_id == self._study_id
            )
            known = {tuple(row) for row in session.execute(query)}
            for stage, architecture_id, seed in dict.fromkeys(trials):
                if (stage, architecture_id, seed) not in known:
                    session.add(
                        ClaimRow(
                            study_id=self._study_id,
                            stage=stage,
                            architecture_id=architecture_id,
                            seed=seed,
                            attempt=0,
                            state=ClaimState.COMPLETE,
                        )
                    )

    @contextmanager
    def _alone(self) -> Iterator[Session]:
        """Open a transaction that excludes all other claims of this study."""
        with self._database.session() as session:
            # A write before the first read takes the lock: of the file on SQLite, of the study's row on a server.
            session.execute(
                update(StudyRow).where(StudyRow.id == self._study_id).values(name=StudyRow.name),
                execution_options={"synchronize_session": False},
            )
            yield session

    def _rows(self, stage: str) -> Select[ClaimRow]:
        return select(ClaimRow).where(ClaimRow.study_id == self._study_id, ClaimRow.stage == stage)

    def _count(self, session: Session, stage: str, states: Iterable[ClaimState]) -> int:
        query = (
            select(func.count())
            .select_from(ClaimRow)
            .where(
                ClaimRow.study_id == self._study_id, ClaimRow.stage == stage, ClaimRow.state.in_(list(states))
            )
        )
        return session.scalar(query) or 0


def _running(name: str) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions that a claim is still RUNNING in this attempt."""
    row_id, attempt = map(int, name.split("."))
    return ClaimRow.id == row_id, ClaimRow.attempt == attempt, ClaimRow.state == ClaimState.RUNNING


def _claim(row: ClaimRow) -> Claim:
    return Claim(row.id, row.attempt, row.architecture_id, row.seed)
