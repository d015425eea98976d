"""A study is deleted or renamed whole, on every kind of database; nothing of it stays, nothing of another goes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from optuna.artifacts import get_all_artifact_meta
from optuna.storages import RDBStorage
from optuna.storages._rdb.models import BaseModel
from sqlalchemy import func, select
from typer.testing import CliRunner

import autofi
from autofi.cli.app import app
from autofi.errors import ConfigError, StoreError, StudyNotFoundError
from autofi.store import StudyHandle, StudyStore, delete_rename as removal
from autofi.store.artifacts import FOLDER
from autofi.store.optuna_stages import STAGES, StageTrial
from autofi.store.storage_url import artifact_root
from autofi.store.tables import Base
from tests.store.examples import CREATED, measured, start

MakeStudy = Callable[..., StudyHandle]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "url" in request.fixturenames:
        # A server is started where its own user may be.
        request.getfixturevalue("url")
    # Of a server's studies the folder is that of the process.
    monkeypatch.chdir(tmp_path)


def fill(handle: StudyHandle) -> None:
    """Everything that a study may have: trials in every state, a stage, models, an export, files."""
    handle.artifacts.mkdir(parents=True)
    number = start(handle)
    kept = handle.artifacts / "predictions.npz"
    kept.write_text("predictions")
    handle.shown.attach(kept, name="predictions.npz", trial=number)
    handle.finish_trial(number, 0.7, measured(0.7))
    handle.fail_trial(start(handle, architecture_id="a2"), "out of memory")
    handle.report_rung(start(handle, architecture_id="a3"), 0, 10, [0.6])
    handle.shown.attach("the manifest", name="manifest.json")
    handle.shown.add_notes({number: "a note"})
    handle.write_stage(
        "explore",
        [StageTrial("0", 0.5)],
        measured="inherited logloss",
        direction="minimize",
        about={"scored": 1},
    )
    handle.record_stage("winner", {"architecture_id": "a1", "trial": number})
    for place in (handle.artifacts / "models" / "w", Path("/elsewhere/model")):
        handle.record_model(
            role="winner", name=place.name, architecture_id="a1", seed=0, metrics={}, path=place
        )
    handle.record_export(Path("/elsewhere/exported"), architecture_id="a1")
    handle.close()


def contents(store: StudyStore) -> dict[str, int]:
    """Rows by table, of ours and of Optuna's."""
    tables = [*Base.metadata.sorted_tables, *BaseModel.metadata.sorted_tables]
    with store._database.session() as session:
        return {table.name: session.scalar(select(func.count()).select_from(table)) or 0 for table in tables}


def files(store: StudyStore) -> set[str]:
    root = artifact_root(store.url)
    return {
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if not path.is_relative_to(root / "autofi.db") and not path.name.startswith("autofi.db")
    }


def test_what_is_deleted_leaves_nothing_and_takes_nothing_of_another(
    store: StudyStore, make_study: MakeStudy
) -> None:
    fill(make_study(store, "other"))
    before, kept = contents(store), files(store)
    study = make_study(store, "mine")
    fill(study)
    assert contents(store) != before
    assert files(store) - kept
    removed = store.delete("mine")
    assert (removed.name, removed.trials, removed.models, removed.left) == ("mine", 3, 2, ())
    assert contents(store) == before
    assert files(store) == kept
    assert [found.name for found in store.list()] == ["other"]
    with pytest.raises(StudyNotFoundError, match="did you mean|Known: other"):
        store.delete("mine")
    # The name is free for a search of anything else.
    again = make_study(store, "mine", space_fingerprint="ff" * 32)
    assert again.trials() == ()


def test_what_the_user_made_in_the_folder_stays_and_is_told(store: StudyStore, make_study: MakeStudy) -> None:
    fill(make_study(store, "mine"))
    report = artifact_root(store.url) / "mine" / "report.html"
    report.write_text("<html>")
    assert store.delete("mine").left == (str(report),)
    assert report.read_text() == "<html>"


@pytest.mark.parametrize("change", ["delete", "rename"])
def test_a_study_at_work_is_left_alone(store: StudyStore, make_study: MakeStudy, change: str) -> None:
    study = make_study(store, "mine")
    words = ("mine",) if change == "delete" else ("mine", "new")
    before = contents(store)
    with pytest.raises(StoreError, match=f"is being searched by process {os.getpid()}"):
        getattr(store, change)(*words)
    assert contents(store) == before
    study.close()
    worker = store.open("mine")
    number = start(worker)
    with pytest.raises(StoreError, match=f"has a worker, process {os.getpid()} on host"):
        getattr(store, change)(*words)
    worker.finish_trial(number, 0.7, measured(0.7))
    worker.close()
    getattr(store, change)(*words)


def test_everything_follows_a_new_name(store: StudyStore, make_study: MakeStudy, outside: RDBStorage) -> None:
    fill(make_study(store, "other"))
    study = make_study(store, "mine")
    fill(study)
    counted, kept = contents(store), len(files(store))
    old = study.artifacts
    store.rename("mine", "a new name")
    assert contents(store) == counted
    assert len(files(store)) == kept
    assert not old.exists()
    found = store.open("a new name")
    assert found.record.settings == study.record.settings
    assert found.artifacts == old.parents[1] / "a new name" / old.name
    assert (found.artifacts / "predictions.npz").read_text() == "predictions"
    inside, elsewhere = found.models()
    assert inside.path == found.artifacts / "models" / "w"
    assert elsewhere.path == Path("/elsewhere/model")
    assert [trial.architecture for trial in found.trials()] == [
        trial.architecture for trial in study.trials()
    ]
    seen = optuna.load_study(study_name="a new name", storage=outside)
    assert seen.user_attrs[STAGES] == {"explore": "a new name/explore"}
    assert optuna.load_study(study_name="a new name/explore", storage=outside).user_attrs["autofi_of"] == (
        "a new name"
    )
    assert [meta.filename for meta in get_all_artifact_meta(seen)] == ["manifest.json"]
    assert store.overview()[-1].linked.keys() == {"explore"}
    with pytest.raises(StudyNotFoundError):
        store.open("mine")
    # It goes on under its new name, and the old one is free.
    again = store.create_or_resume("a new name", **CREATED)
    again.write_stage("explore", [StageTrial("1", 0.4)], measured="x", direction="minimize", about={})
    again.close()
    assert store.overview()[-1].linked.keys() == {"explore"}
    assert make_study(store, "mine").trials() == ()
    store.delete("a new name")
    assert {found.name for found in store.list()} == {"other", "mine"}


def test_a_name_that_is_taken_or_none_is_refused(store: StudyStore, make_study: MakeStudy) -> None:
    for name in ("mine", "other"):
        fill(make_study(store, name))
    optuna.create_study(study_name="optunas", storage=store._database.optuna)
    before, kept = contents(store), files(store)
    for name in ("other", "optunas"):
        with pytest.raises(StoreError, match=f"another study is named '{name}' already; .* for 'mine'"):
            store.rename("mine", name)
    with pytest.raises(StoreError, match="has that name already"):
        store.rename("mine", "mine")
    with pytest.raises(ConfigError, match="a study's name has 1 to 120"):
        store.rename("mine", "../up")
    with pytest.raises(StudyNotFoundError, match="did you mean 'mine'"):
        store.rename("mime", "new")
    assert contents(store) == before
    assert files(store) == kept


def test_no_file_but_an_artifact_is_removed(store: StudyStore, make_study: MakeStudy) -> None:
    study = make_study(store, "mine")
    fill(study)
    victim = artifact_root(store.url) / "victim"
    victim.write_text("mine")
    study.optuna_study._storage.set_study_system_attr(
        study.optuna_study._study_id, "artifacts:../victim", "{}"
    )
    store.delete("mine")
    assert victim.read_text() == "mine"


KILLED = """
import os, signal, sys
from autofi.store import StudyStore, resolve_storage
from autofi.store import delete_rename as removal
store = StudyStore(resolve_storage(sys.argv[1]))
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
setattr(removal, sys.argv[2], die)
getattr(store, sys.argv[3])(*sys.argv[4:])
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("_delete_in_optuna", ("delete", "mine")),  # its files are gone
        ("delete_rows", ("delete", "mine")),  # in the transaction
        ("_remove_if_empty", ("delete", "mine")),  # after it
        ("_files", ("rename", "mine", "new")),
        ("_remove_if_empty", ("rename", "mine", "new")),
    ],
)
def test_what_was_killed_can_be_repeated(tmp_path: Path, where: str, words: tuple[str, ...]) -> None:
    from autofi.store import resolve_storage

    url = resolve_storage(str(tmp_path / "studies" / "autofi.db"))
    with StudyStore(url) as store:
        with store.create_or_resume("mine", **CREATED) as study:
            fill(study)
        killed = subprocess.run([sys.executable, "-c", KILLED, url.url, where, *words], check=False)
        assert killed.returncode == -9
        names = {found.name for found in store.list()}
        if names == {"mine"}:
            getattr(store, words[0])(*words[1:])
        if words[0] == "delete":
            assert {name: count for name, count in contents(store).items() if count} == {
                name: count for name, count in contents(store).items() if "version" in name
            }
            assert files(store) <= {FOLDER, "mine"}
        else:
            found = store.open("new")
            assert (found.artifacts / "predictions.npz").exists()


def test_a_folder_that_moved_before_the_commit_is_found(tmp_path: Path) -> None:
    from autofi.store import resolve_storage

    with StudyStore(resolve_storage(str(tmp_path / "a.db"))) as store:
        with store.create_or_resume("mine", **CREATED) as study:
            fill(study)
        moved = removal.study_folder(store._database, "new", study.record.created_at)
        moved.parent.mkdir()
        study.artifacts.rename(moved)
        store.rename("mine", "new")
        assert (store.open("new").artifacts / "predictions.npz").exists()


def test_the_commands_ask_and_tell(tmp_path: Path) -> None:
    from autofi.store import resolve_storage

    url = resolve_storage(str(tmp_path / "a.db"))
    with StudyStore(url) as store, store.create_or_resume("mine", **CREATED) as study:
        fill(study)
    runner = CliRunner(env={"AUTOFI_STORAGE": url.url})
    asked = runner.invoke(app, ["delete", "mine"])
    assert asked.exit_code == 2
    assert "nobody confirmed it; add --yes" in asked.stderr
    declined = runner.invoke(app, ["delete", "mine"], input="n\n")
    assert declined.exit_code == 1
    assert "Nothing was deleted." in declined.stderr
    renamed = runner.invoke(app, ["rename", "mine", "a name"])
    assert renamed.exit_code == 0, renamed.stderr
    assert "Renamed study 'mine' to 'a name'. Next: autofi show 'a name'" in renamed.stderr
    wrong = runner.invoke(app, ["delete", "mine", "--yes"])
    assert (wrong.exit_code, "no study 'mine'" in wrong.stderr) == (2, True)
    deleted = runner.invoke(app, ["delete", "a name"], input="y\n")
    assert deleted.exit_code == 0, deleted.stderr
    assert "Deleted study 'a name' with 3 trials and 2 models." in deleted.stderr
    assert autofi.list_studies(url.url) == ()
