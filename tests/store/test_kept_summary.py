"""A kept summary is given until something that it tells changes, on each kind of database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import text

from autofi.store import KeptSummary, ModelRole, StorageURL, StudyHandle, StudyStore, list_studies
from autofi.store.kept_summary import kept_summary
from autofi.store.migrations import FOLDER
from autofi.store.quick_read import OPTUNA_REVISION, REVISION, VERSION_TABLE
from autofi.store.stage_keys import DATA, FIELDS, PROPOSAL, SECONDS, STOPPED
from autofi.store.winner_record import WINNER
from tests.store.examples import measured, start

MakeStudy = Callable[..., StudyHandle]
FOUND = KeptSummary({"study": "mine", "winner": {"auc": 0.75}}, [{"trial": 0, "valid_auc": 0.75}], 1)


def keep(study: StudyHandle) -> None:
    study.keep_summary(FOUND, study.summary_version())


@contextmanager
def making_it_invalid(study: StudyHandle) -> Iterator[None]:
    keep(study)
    assert study.kept_summary() is not None
    yield
    assert study.kept_summary() is None


def test_it_is_given_as_it_was_kept(store: StudyStore, make_study: MakeStudy) -> None:
    study = make_study(store, "mine")
    study.finish_trial(start(study), 0.75, measured(0.75))
    assert study.kept_summary() is None
    assert kept_summary("mine", store.url) is None
    keep(study)
    for found in (study.kept_summary(), kept_summary("mine", store.url)):
        assert found is not None
        assert found.summary == {**FOUND.summary, "storage": str(store.url)}
        assert (found.leaders, found.trials) == (FOUND.leaders, FOUND.trials)


def test_every_change_that_it_tells_makes_it_invalid(store: StudyStore, make_study: MakeStudy) -> None:
    study = make_study(store, "mine")
    with making_it_invalid(study):
        trial = start(study)
    with making_it_invalid(study):
        study.finish_trial(trial, 0.75, measured(0.75))
    for key in (DATA, FIELDS, PROPOSAL, SECONDS, STOPPED, WINNER):
        for value in (1, 2):
            with making_it_invalid(study):
                study.record_stage(key, {"value": value})
    with making_it_invalid(study):
        study.drop_stages(STOPPED)
    for role in ModelRole:
        for auc in (0.7, 0.8):
            with making_it_invalid(study):
                study.record_model(role=role, name=role, seed=0, metrics={"test": {"auc": auc}})


def test_other_records_other_studies_and_a_new_name_leave_it_valid(
    store: StudyStore, make_study: MakeStudy
) -> None:
    study, other = make_study(store, "mine"), make_study(store, "other")
    keep(study)
    study.record_stage("rashomon", {"eps": 0.05})
    other.finish_trial(start(other), 0.8, measured(0.8))
    other.record_stage(WINNER, {"trial": 0})
    study.close()
    store.rename("mine", "yours")
    found = kept_summary("yours", store.url)
    assert found is not None
    assert found.summary == {**FOUND.summary, "study": "yours", "storage": str(store.url)}
    assert kept_summary("mine", store.url) is None
    assert kept_summary("other", store.url) is None


def test_a_study_of_the_same_name_does_not_inherit_it(store: StudyStore, make_study: MakeStudy) -> None:
    keep(study := make_study(store, "mine"))
    study.close()
    store.delete("mine")
    make_study(store, "mine")
    assert kept_summary("mine", store.url) is None


def test_the_list_is_that_of_the_open_store(store: StudyStore, make_study: MakeStudy) -> None:
    settings = {"objectives": ["logloss", "auc"], "limits": ["table_bytes<=4kB"]}
    for name, changes in (("plain", {}), ("limited", {"settings": settings}), ("empty", {})):
        make_study(store, name, **changes)
    plain = store.open("plain")
    for auc in (0.71, 0.79):
        plain.finish_trial(start(plain, architecture_id=str(auc)), auc, measured(auc))
    plain.record_stage(WINNER, {"architecture_id": "0.79", "reasons": ["It was smaller."], "best": 0.79})
    plain.close()
    found = list_studies(store.url.url)
    assert found == store.list()
    assert [study.name for study in found] == ["plain", "limited", "empty"]
    assert (found[0].best_valid_auc, found[0].winner, found[0].reason) == (0.79, "0.79", "It was smaller.")
    assert found[0].created_at == store.open("plain").record.created_at


def test_the_tables_that_are_read_are_those_that_a_new_database_has(store: StudyStore) -> None:
    assert store.list() == ()
    with store._database.session() as session:
        found = [
            session.scalar(text(f"SELECT version_num FROM {name}"))
            for name in (VERSION_TABLE, "alembic_version")
        ]
    assert found == [REVISION, OPTUNA_REVISION]
    assert ScriptDirectory(str(FOLDER)).get_current_head() == REVISION


@pytest.mark.parametrize("table", [VERSION_TABLE, "alembic_version"])
def test_of_other_tables_nothing_is_read(store: StudyStore, make_study: MakeStudy, table: str) -> None:
    """Opening the store then upgrades them, or says what to do."""
    keep(make_study(store, "mine"))
    with store._database.session() as session:
        session.execute(text(f"UPDATE {table} SET version_num = '0000'"))
    assert kept_summary("mine", store.url) is None


def test_a_missing_or_damaged_file_is_not_created_and_not_read(tmp_path: Path) -> None:
    url = StorageURL(f"sqlite:///{tmp_path / 'none.db'}")
    assert kept_summary("mine", url) is None
    assert list_studies(url.url) == ()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "none.db").write_text("no database" * 100)
    assert kept_summary("mine", url) is None
