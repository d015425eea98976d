from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from autofi.errors import MissingDependencyError, StoreError
from autofi.store import artifact_root, mask_password, resolve_storage


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AUTOFI_STORAGE", raising=False)


def test_the_default_is_a_file_under_the_working_folder(tmp_path: Path) -> None:
    url = resolve_storage(None)
    assert url.url == f"sqlite:///{tmp_path.as_posix()}/studies/autofi.db"
    assert url.file == tmp_path / "studies" / "autofi.db"
    assert artifact_root(url) == tmp_path / "studies"


def test_the_environment_comes_before_the_default_and_after_the_argument(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTOFI_STORAGE", "shared/team.db")
    assert resolve_storage(None).file == tmp_path / "shared" / "team.db"
    assert resolve_storage("mine.db").file == tmp_path / "mine.db"
    monkeypatch.setenv("AUTOFI_STORAGE", "")
    assert resolve_storage(None).file == tmp_path / "studies" / "autofi.db"


@pytest.mark.parametrize("written", ["a/b.db", "sqlite:///a/b.db", "sqlite+pysqlite:///a/b.db"])
def test_a_relative_file_becomes_absolute(
    tmp_path: Path, written: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = resolve_storage(written)
    monkeypatch.chdir("/")
    assert url.file == tmp_path / "a" / "b.db"
    assert artifact_root(url) == tmp_path / "a"


def test_home_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert resolve_storage("~/x.db").file == tmp_path / "home" / "x.db"


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_postgresql_means_psycopg(tmp_path: Path, scheme: str) -> None:
    url = resolve_storage(f"{scheme}://ann:s%40cret@db.example:5432/studies")
    assert url.url == "postgresql+psycopg://ann:s%40cret@db.example:5432/studies"
    assert url.file is None
    assert artifact_root(url) == tmp_path / "studies"


@pytest.mark.parametrize(
    ("storage", "message"),
    [
        ("studies.txt", "--storage 'studies.txt' is neither a database URL nor a path ending in .db"),
        ("sqlite://", "a SQLite database in memory cannot keep studies"),
        ("sqlite:///:memory:", "a SQLite database in memory cannot keep studies"),
        ("sqlite:///file:x.db?uri=true", "SQLite's file: form is not supported"),
        ("sqlite+aiosqlite:///x.db", "the SQLite driver 'aiosqlite' is not synchronous"),
        ("mysql://u@h/d", r"write mysql\+pymysql://u@h/d \(pip install 'autofi\[mysql\]'\)"),
        ("mariadb://u:pw@h/d", r"write mariadb\+pymysql://u:\*\*\*@h/d "),
        ("postgressql://u@h/d", "cannot be stored in 'postgressql'; did you mean 'postgresql'"),
        ("journal://studies.log", "Optuna's journal storage holds only trials.*name a SQL database"),
        ("grpc://host:13000", "Optuna's grpc storage holds only trials.*name a SQL database"),
        ("mongodb://u@h/d", "cannot be stored in 'mongodb'; Known: mariadb, mysql, postgresql, sqlite"),
        ("postgresql+asyncpg://u@h/d", "no synchronous driver 'asyncpg' for postgresql"),
        ("postgresql://u@h", "names no database"),
        ("postgresql://u:pw@h:port/d", "is not a database URL"),
    ],
)
def test_what_is_no_storage_is_refused_with_the_way_out(storage: str, message: str) -> None:
    with pytest.raises(StoreError, match=message) as refusal:
        resolve_storage(storage)
    assert "\n" not in str(refusal.value)
    assert "pw" not in str(refusal.value)


@pytest.mark.parametrize(
    ("storage", "extra"), [("postgresql://u@h/d", "postgres"), ("mysql+pymysql://u@h/d", "mysql")]
)
def test_a_missing_driver_names_its_extra(storage: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=rf"pip install 'autofi\[{extra}\]'"):
        resolve_storage(storage)


def test_passwords_are_never_printed() -> None:
    url = resolve_storage("postgresql://ann:s%40cret@h/d?password=other&connect_timeout=5")
    masked = "postgresql+psycopg://ann:***@h/d?connect_timeout=5&password=***"
    assert (str(url), mask_password(url), mask_password(url.url)) == (masked, masked, masked)
    assert repr(url) == f"StorageURL('{masked}')"
    assert set(url.passwords) == {"s@cret", "other"}
    assert "s%40cret" in url.url
