from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, create_mock_engine, inspect, text
from sqlalchemy.dialects import mysql
from sqlalchemy.schema import CreateTable

from autofi.errors import StoreError
from autofi.store import StorageURL, StudyStore, database as database_module, resolve_storage
from autofi.store.database import Database
from autofi.store.quick_read import VERSION_TABLE
from autofi.store.tables import Base
from tests.store.databases import mysql_database
from tests.store.examples import CREATED


def test_sqlite_is_in_wal_mode_and_waits_for_writers(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "autofi.db"
    database = Database(resolve_storage(str(path)))
    with database.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 60_000
    database.close()
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_the_scripts_make_the_tables_that_the_models_describe(empty_url: StorageURL) -> None:
    database = Database(empty_url)
    with database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "version_table": VERSION_TABLE,
                "include_name": lambda name, kind, parents: kind != "table" or name.startswith("autofi_"),
            },
        )
        assert compare_metadata(context, Base.metadata) == []
        tables = set(inspect(connection).get_table_names())
    database.close()
    assert {"studies", "alembic_version", VERSION_TABLE, *Base.metadata.tables} <= tables


def test_opening_again_changes_nothing(empty_url: StorageURL) -> None:
    for _ in range(2):
        database = Database(empty_url)
        with database.engine.connect() as connection:
            for table in (VERSION_TABLE, "alembic_version"):
                assert connection.scalar(text(f"SELECT count(*) FROM {table}")) == 1
        database.close()


def test_a_newer_autofi_is_refused(url: StorageURL) -> None:
    database = Database(url)
    with database.engine.begin() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    database.close()
    with pytest.raises(StoreError, match="written by a newer AutoFI .tables at revision '9999'"):
        Database(url)


def test_a_newer_optuna_is_refused(url: StorageURL) -> None:
    database = Database(url)
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'v99.0.0.a'"))
    database.close()
    with pytest.raises(StoreError, match="pip install -U optuna"):
        Database(url)


def test_mysql_gets_columns_large_enough() -> None:
    ddl = str(CreateTable(Base.metadata.tables["autofi_stage"]).compile(dialect=mysql.dialect()))
    assert "payload LONGTEXT NOT NULL" in ddl
    assert "created_at DATETIME(6) NOT NULL" in ddl
    # The whole schema compiles for it.
    statements: list[object] = []
    Base.metadata.create_all(create_mock_engine("mysql+pymysql://", lambda s, *a, **k: statements.append(s)))
    assert len(statements) >= len(Base.metadata.tables)


def test_a_database_that_cannot_hold_every_name_is_refused(mysql_server: str) -> None:
    url = mysql_database(mysql_server, characters="latin1")
    with pytest.raises(
        StoreError, match="has 'latin1'; ALTER DATABASE `t.*` CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
    ):
        Database(url)
    engine = create_engine(url.url)
    assert inspect(engine).get_table_names() == []
    engine.dispose()


@pytest.mark.parametrize("name", ["with {braces}.db", "with %41 percent.db", "mit größe ü.db"])
def test_any_file_name_works(tmp_path: Path, name: str) -> None:
    with StudyStore(resolve_storage(str(tmp_path / name))) as store:
        store.create_or_resume("clicks", **CREATED).close()
        assert [summary.name for summary in store.list()] == ["clicks"]
    assert (tmp_path / name).is_file()


class TestFailuresAreOneLine:
    def refused(self, storage: str) -> str:
        with pytest.raises(StoreError) as refusal:
            Database(resolve_storage(storage))
        message = str(refusal.value)
        assert "\n" not in message
        assert message.startswith("the studies in ")
        return message

    def test_a_file_that_is_no_database(self, tmp_path: Path) -> None:
        path = tmp_path / "notes.db"
        path.write_text("these are notes, and more than a hundred bytes of them" * 20)
        assert "file is not a database; the file is something else, so name another" in self.refused(
            str(path)
        )
        assert path.read_text().startswith("these are notes")

    def test_a_folder_that_is_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        message = self.refused(str(tmp_path / "file" / "autofi.db"))
        assert "make its folder writable" in message
        assert str(tmp_path / "file" / "autofi.db") in message

    def test_a_file_that_another_program_keeps_locked(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(database_module, "BUSY_SECONDS", 0)
        path = tmp_path / "autofi.db"
        other = sqlite3.connect(path)
        other.execute("BEGIN EXCLUSIVE")
        assert "is locked; another program has been writing to it for 0 s" in self.refused(str(path))
        other.close()

    def test_a_folder_in_the_place_of_the_file(self, tmp_path: Path) -> None:
        (tmp_path / "autofi.db").mkdir()
        assert "unable to open database file" in self.refused(str(tmp_path / "autofi.db"))

    @pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
    def test_a_folder_that_may_not_be_written(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o500)
        assert "make its folder writable" in self.refused(str(tmp_path / "autofi.db"))
        assert "make its folder writable" in self.refused(str(tmp_path / "new" / "autofi.db"))

    def test_a_server_that_does_not_answer(self) -> None:
        pytest.importorskip("psycopg")
        message = self.refused("postgresql://ann:topsecret@127.0.0.1:1/studies")
        assert "postgresql+psycopg://ann:***@127.0.0.1:1/studies" in message
        assert "refused" in message
        assert "check that the server runs" in message
        assert "topsecret" not in message

    def test_a_database_that_the_server_does_not_have(self, postgres_server: str) -> None:
        head, _, query = postgres_server.partition("?")
        message = self.refused(f"{head.rpartition('/')[0]}/absent?{query}")
        assert 'database "absent" does not exist' in message


def test_looking_for_a_study_leaves_no_file_behind(tmp_path: Path) -> None:
    store = StudyStore(resolve_storage(str(tmp_path / "studies" / "autofi.db")))
    assert store.list() == ()
    with pytest.raises(StoreError, match="no study 'x' in sqlite:///.*; Known: none"):
        store.open("x")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "schema", sorted((Path(__file__).parent / "schemas").glob("*.sql")), ids=lambda path: path.stem
)
def test_a_file_of_an_earlier_version_is_upgraded_and_kept_as_it_was(schema: Path, tmp_path: Path) -> None:
    """Every schema before this one, as that version wrote it (`sqlite3 FILE .dump`)."""
    path = tmp_path / "autofi.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(schema.read_text())
    with StudyStore(resolve_storage(str(path))) as store:
        study = store.create_or_resume("clicks", **CREATED)
        assert [trial.state.name for trial in study.trials()] == ["COMPLETE", "COMPLETE", "FAIL"]
        assert [trial.value for trial in study.trials()[:2]] == [0.7, 0.71]
        assert [model.metrics for model in study.models()] == [{"test": {"auc": 0.7}}]
        assert study.stage("proposal") == {"pairs": []}
        assert study.counted("scratch") == 2
        study.close()
    copy = tmp_path / f"autofi-before-upgrade-{schema.stem}.db"
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT version_num FROM autofi_alembic_version").fetchall() == [
            (schema.stem,)
        ]
        assert connection.execute("SELECT count(*) FROM trials WHERE state = 'RUNNING'").fetchone() == (1,)


def test_an_upgrade_of_a_server_keeps_our_tables(empty_url: StorageURL) -> None:
    if empty_url.backend == "sqlite":
        pytest.skip("a file is copied")
    engine = Database(empty_url).engine
    with engine.begin() as connection:
        for table in ("autofi_claim", "autofi_worker"):
            connection.exec_driver_sql(f"DROP TABLE {table}")
        connection.exec_driver_sql("UPDATE autofi_alembic_version SET version_num = '0001'")
    engine.dispose()
    with StudyStore(empty_url) as store:
        store.create_or_resume("clicks", **CREATED).close()
    tables = inspect(engine).get_table_names()
    engine.dispose()
    assert {"before_upgrade_0001_autofi_study", "autofi_claim"} <= set(tables)
