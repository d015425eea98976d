"""A study keeps files in a folder of its name: whatever else has that place is no name, before any work."""

from __future__ import annotations

from pathlib import Path

import pytest

import autofi
from autofi.errors import ConfigError
from autofi.store import resolve_storage
from autofi.store.study_name import check_study_name

NAMES = ["table.csv", "s.db", "s.db-wal", "s.db-shm", "s.db-journal", "leads nowhere"]


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("table.csv").write_text("click,city\n" + "1,a\n0,b\n" * 50)
    Path("leads nowhere").symlink_to("nothing")
    Path("folder").mkdir()


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_a_file_has_is_refused_before_a_search(name: str) -> None:
    before = sorted(Path().iterdir())
    with pytest.raises(ConfigError, match=f"{name}' is a file, so no study") as error:
        autofi.search("table.csv", target="click", study=name, storage="s.db")
    assert "\n" not in str(error.value)
    assert sorted(Path().iterdir()) == before


@pytest.mark.parametrize("name", ["folder", "s", "table", "s.db.old"])
def test_other_names_are_fine(name: str) -> None:
    check_study_name(name, resolve_storage("s.db"))


def test_a_study_is_not_renamed_so() -> None:
    with pytest.raises(ConfigError, match=r"table\.csv' is a file"):
        autofi.rename_study("mine", "table.csv", storage="s.db")
