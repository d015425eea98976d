"""Leases: rights that one process at a time has, such as to search a study; they are taken, renewed and released.

Optuna's heartbeat works only inside `study.optimize`, so owners are stored in our tables (`tables.Owned`). An owner on
this machine is dead if its process is. An owner elsewhere is dead if it has not been seen for `LEASE_SECONDS` by the
clock of the database, which is the same for all.
"""

from __future__ import annotations

import logging
import os
import threading
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Update, select, update
from sqlalchemy.exc import SQLAlchemyError

from autofi.core.process_identity import ProcessIdentity, current_process, start_time
from autofi.errors import StoreError
from autofi.store.database import Database
from autofi.store.database_clock import DatabaseNow, read_clock
from autofi.store.tables import Owned, StudyRow, WorkerRow

_logger = logging.getLogger(__name__)

LEASE_SECONDS = 120.0
RENEW_SECONDS = 20.0

#: The tables whose rows have an owner.
OwnedRow = type[StudyRow] | type[WorkerRow]

_FREE = {
    "owner_pid": None,
    "owner_host": None,
    "owner_place": None,
    "owner_started": None,
    "owner_token": None,
    "owner_seen_at": None,
}


class Lease:
    """The ownership of a row, renewed by a thread until `release`."""

    def __init__(self, database: Database, table: OwnedRow, row_id: int, *, token: str) -> None:
        self._database = database
        self._table = table
        self.row_id = row_id
        self._token = token
        self._pid = os.getpid()
        self._released = threading.Event()
        self._thread = threading.Thread(target=self._renew, name=f"autofi-lease-{row_id}", daemon=True)
        self._thread.start()

    def is_held(self) -> bool:
        """Return True if the row is still ours: not released, and not taken over by another host."""
        if self._released.is_set():
            return False
        with self._database.engine.connect() as connection:
            token = connection.scalar(select(self._table.owner_token).where(self._table.id == self.row_id))
        return token == self._token

    def release(self) -> None:
        """Free the row; a second call, or one in a forked child, does nothing. It never raises."""
        if self._released.is_set() or os.getpid() != self._pid:
            return
        self._released.set()
        self._thread.join()
        self._write(_FREE)

    def _ours(self) -> Update:
        return update(self._table).where(
            self._table.id == self.row_id, self._table.owner_token == self._token
        )

    def _renew(self) -> None:
        while not self._released.wait(RENEW_SECONDS):
            self._write({"owner_seen_at": DatabaseNow()})

    def _write(self, values: Mapping[str, object]) -> None:
        try:
            with self._database.engine.begin() as connection:
                connection.execute(self._ours().values(**values))
        except SQLAlchemyError as error:
            # A database that is away for a moment ends neither the search nor its lease: the next renewal
            # tries again, and a lease that could not be released ends with the process.
            _logger.debug("lease of %s %d: %s", self._table.__tablename__, self.row_id, error)


def acquire(database: Database, study_id: int) -> Lease:
    """Return the lease of a study that is free or whose owner is dead.

    Raises:
        StoreError: The study has a living owner, which the message names.
    """
    me = current_process()
    with database.session() as session:
        now = read_clock(session)
        owner = _owner(me, now)
        row = session.execute(select(StudyRow).where(StudyRow.id == study_id)).scalar_one()
        if is_alive(row, me, now):
            raise StoreError(_busy(row, me, now))
        taken = session.connection().execute(
            update(StudyRow)
            # Only if no other process has taken it since the row was read.
            .where(StudyRow.id == study_id, StudyRow.owner_token.is_not_distinct_from(row.owner_token))
            .values(**owner)
        )
        if taken.rowcount != 1:
            raise StoreError(f"study '{row.name}' was just taken by another process; try again.")
    return Lease(database, StudyRow, study_id, token=str(owner["owner_token"]))


def join(database: Database, study_id: int) -> Lease:
    """Return the lease of a new worker of a study."""
    with database.session() as session:
        now = read_clock(session)
        owner = _owner(current_process(), now)
        row = WorkerRow(study_id=study_id, joined_at=now, **owner)
        session.add(row)
    return Lease(database, WorkerRow, row.id, token=str(owner["owner_token"]))


def joined(database: Database, study_id: int) -> set[int]:
    """Return the process ids of a study's workers on this machine that have begun a trial and not left."""
    place = current_process().place
    query = select(WorkerRow.owner_pid).where(
        WorkerRow.study_id == study_id, WorkerRow.owner_token.is_not(None), WorkerRow.owner_place == place
    )
    with database.session() as session:
        return {pid for pid in session.scalars(query) if pid is not None}


def is_led(database: Database, study_id: int) -> bool:
    """Return True if a living process searches a study."""
    with database.session() as session:
        now = read_clock(session)
        row = session.execute(select(StudyRow).where(StudyRow.id == study_id)).scalar_one()
    return is_alive(row, current_process(), now)


def is_alive(row: Owned, me: ProcessIdentity, now: datetime) -> bool:
    """Return True if the row's owner still lives, as far as this process can tell; `now` is from `read_clock`."""
    if row.owner_token is None:
        return False
    if row.owner_place and row.owner_place == me.place and row.owner_pid is not None:
        return start_time(row.owner_pid) == row.owner_started
    return row.owner_seen_at is not None and now - row.owner_seen_at < timedelta(seconds=LEASE_SECONDS)


def _owner(me: ProcessIdentity, now: datetime) -> dict[str, Any]:
    return {
        "owner_pid": me.pid,
        "owner_host": me.host,
        "owner_place": me.place,
        "owner_started": me.started,
        "owner_token": uuid.uuid4().hex,
        "owner_seen_at": now,
    }


def _busy(row: StudyRow, me: ProcessIdentity, now: datetime) -> str:
    owner = f"study '{row.name}' is being searched by process {row.owner_pid}"
    if (row.owner_place, row.owner_pid, row.owner_started) == (me.place, me.pid, me.started):
        return f"{owner}, which is this one; close its first handle, or choose another study name (--study)."
    if row.owner_place and row.owner_place == me.place:
        return f"{owner} on this machine; wait for it, stop it, or choose another study name (--study)."
    seen = (now - row.owner_seen_at).total_seconds() if row.owner_seen_at is not None else 0.0
    return (
        f"{owner} on host '{row.owner_host}', last seen {max(seen, 0.0):.0f} s ago; wait for it, stop it "
        f"(a lost process frees its study after {LEASE_SECONDS:.0f} s), or choose another name (--study)."
    )
