"""Leases go by the clock of the database: a worker whose own clock is wrong takes nobody's place."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, select, update

from autofi.errors import StoreError
from autofi.store import StorageURL, StudyStore
from autofi.store.database import Database
from autofi.store.database_clock import DatabaseNow, read_clock
from autofi.store.lease import LEASE_SECONDS, Lease, is_led, join
from autofi.store.tables import StudyRow, WorkerRow
from tests.store.test_contract import MakeStudy


@pytest.fixture
def database(url: StorageURL) -> Iterator[Database]:
    opened = Database(url)
    yield opened
    opened.close()


def test_it_is_utc_to_the_millisecond_and_goes_on_within_a_transaction(database: Database) -> None:
    with database.session() as session:
        first = read_clock(session)
        session.execute(select(1))
        moments = [read_clock(session) for _ in range(50)]
    assert abs(first - datetime.now(UTC)) < timedelta(seconds=5)
    assert moments == sorted(moments) and moments[-1] >= first
    assert first.tzinfo is UTC and any(moment.microsecond for moment in moments)


@pytest.mark.parametrize("ahead", [-3600.0, 3600.0])
def test_a_wrong_clock_of_a_worker_changes_nothing(
    database: Database,
    store: StudyStore,
    make_study: MakeStudy,
    monkeypatch: pytest.MonkeyPatch,
    ahead: float,
) -> None:
    class Wrong(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) + timedelta(seconds=ahead)

    make_study(store).close()
    for module in ("lease", "claims", "overview", "database_clock"):
        monkeypatch.setattr(f"autofi.store.{module}.datetime", Wrong, raising=False)
    for seconds, alive in ((LEASE_SECONDS - 60, True), (LEASE_SECONDS + 60, False)):
        with database.session() as session:
            seen = read_clock(session) - timedelta(seconds=seconds)
            session.execute(
                update(StudyRow).values(owner_token="theirs", owner_place="far", owner_seen_at=seen)
            )
            (row,) = session.scalars(select(StudyRow))
        assert is_led(database, row.id) is alive
        assert store.overview(())[0].led is alive
        if alive:
            with pytest.raises(StoreError, match="last seen 6[0-9] s ago"):
                make_study(store)
        else:
            make_study(store).close()


def test_what_a_worker_writes_is_of_that_clock_too(
    store: StudyStore, make_study: MakeStudy, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    if database.engine.dialect.name != "sqlite":
        pytest.skip("only SQLite's clock can be moved from here")

    def moved(connection: Any, record: object) -> None:
        connection.create_function("strftime", -1, lambda *_: "2001-02-03 04:05:06.789000")

    event.listen(database.engine, "connect", moved)
    database.engine.dispose()
    make_study(store).close()
    monkeypatch.setattr("autofi.store.lease.RENEW_SECONDS", 0.05)
    expected = datetime(2001, 2, 3, 4, 5, 6, 789000, UTC)
    with database.session() as session:
        study_id = session.scalar(select(StudyRow.id))
    assert study_id is not None
    lease: Lease = join(database, study_id)
    try:
        assert _seen(database) == expected
        with database.session() as session:
            session.execute(update(WorkerRow).values(owner_seen_at=None))
        while (found := _seen(database)) is None:
            pass
        assert found == expected
    finally:
        lease.release()


def _seen(database: Database) -> datetime | None:
    with database.session() as session:
        return session.scalar(select(WorkerRow.owner_seen_at))


def test_every_dialect_that_holds_studies_has_one() -> None:
    from sqlalchemy.dialects import mysql, postgresql, sqlite

    for dialect in (sqlite.dialect(), postgresql.dialect(), mysql.dialect()):
        assert str(select(DatabaseNow()).compile(dialect=dialect)).startswith("SELECT ")
