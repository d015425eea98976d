"""One process searches a study at a time: takes, renews and gives back that right.

Optuna's heartbeat works only inside `study.optimize`; the owner is kept in `autofi_study` instead. An owner
on this machine is dead when its process is; one elsewhere when it has not been seen for `LEASE_SECONDS`.
"""

from __future__ import annotations

import logging
import os
import threading
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from sqlalchemy import Update, select, update
from sqlalchemy.exc import SQLAlchemyError

from autofi.errors import StoreError
from autofi.store.database import Database
from autofi.store.process import ProcessIdentity, current_process, start_time
from autofi.store.tables import StudyRow

_logger = logging.getLogger(__name__)

LEASE_SECONDS = 120.0
RENEW_SECONDS = 20.0

_FREE = {
    "owner_pid": None,
    "owner_host": None,
    "owner_place": None,
    "owner_started": None,
    "owner_token": None,
    "owner_seen_at": None,
}


class Lease:
    """The right to search one study, renewed by a thread until `release`."""

    def __init__(self, database: Database, study_id: int, *, token: str) -> None:
        self._database = database
        self._study_id = study_id
        self._token = token
        self._pid = os.getpid()
        self._released = threading.Event()
        self._thread = threading.Thread(target=self._renew, name=f"autofi-lease-{study_id}", daemon=True)
        self._thread.start()

    def is_held(self) -> bool:
        """Whether the study is still ours: false after `release`, or when another host took it over."""
        if self._released.is_set():
            return False
        with self._database.engine.connect() as connection:
            token = connection.scalar(select(StudyRow.owner_token).where(StudyRow.id == self._study_id))
        return token == self._token

    def release(self) -> None:
        """Free the study; a second call, or one in a forked child, does nothing. Never raises."""
        if self._released.is_set() or os.getpid() != self._pid:
            return
        self._released.set()
        self._thread.join()
        self._write(_FREE)

    def _ours(self) -> Update:
        return update(StudyRow).where(StudyRow.id == self._study_id, StudyRow.owner_token == self._token)

    def _renew(self) -> None:
        while not self._released.wait(RENEW_SECONDS):
            self._write({"owner_seen_at": datetime.now(UTC)})

    def _write(self, values: Mapping[str, object]) -> None:
        try:
            with self._database.engine.begin() as connection:
                connection.execute(self._ours().values(**values))
        except SQLAlchemyError as error:
            # A database that is away for a moment ends neither the search nor its lease: the next renewal
            # tries again, and a lease that could not be given back ends with the process.
            _logger.debug("lease of study %d: %s", self._study_id, error)


def acquire(database: Database, study_id: int) -> Lease:
    """The lease of a study that is free or whose owner is dead; raises StoreError naming a living owner."""
    me, now, token = current_process(), datetime.now(UTC), uuid.uuid4().hex
    with database.session() as session:
        row = session.execute(select(StudyRow).where(StudyRow.id == study_id)).scalar_one()
        if row.owner_token is not None and _is_alive(row, me, now):
            raise StoreError(_busy(row, me, now))
        taken = session.connection().execute(
            update(StudyRow)
            # Only if nobody was faster since the row was read.
            .where(StudyRow.id == study_id, StudyRow.owner_token.is_not_distinct_from(row.owner_token))
            .values(
                owner_pid=me.pid,
                owner_host=me.host,
                owner_place=me.place,
                owner_started=me.started,
                owner_token=token,
                owner_seen_at=now,
            )
        )
        if taken.rowcount != 1:
            raise StoreError(f"study '{row.name}' was taken by another process at this moment; try again.")
    return Lease(database, study_id, token=token)


def _is_alive(row: StudyRow, me: ProcessIdentity, now: datetime) -> bool:
    if row.owner_place and row.owner_place == me.place and row.owner_pid is not None:
        return start_time(row.owner_pid) == row.owner_started
    return row.owner_seen_at is not None and now - row.owner_seen_at < timedelta(seconds=LEASE_SECONDS)


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
