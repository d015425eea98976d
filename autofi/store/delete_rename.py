"""Deletion and renaming of studies: Optuna's rows and ours in one transaction, the studies of stages, and the files.

The process must lead the study, so that no search works on it. Both can be repeated after a kill: files go first, and
without a commit the study is still found by its name.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from optuna.artifacts._upload import ARTIFACTS_ATTR_PREFIX
from optuna.storages._rdb.models import (
    BaseModel,
    StudyModel,
    StudySystemAttributeModel,
    StudyUserAttributeModel,
    TrialModel,
    TrialSystemAttributeModel,
)
from sqlalchemy import ColumnElement, Select, delete, func, select, update
from sqlalchemy.orm import Session

from autofi.core.process_identity import current_process
from autofi.errors import StoreError
from autofi.store.artifacts import FOLDER
from autofi.store.database import Database
from autofi.store.lease import acquire, is_alive
from autofi.store.optuna_stages import OF, STAGES, linked_studies
from autofi.store.storage_url import artifact_root
from autofi.store.tables import ArchitectureRow, ClaimRow, ExportRow, ModelRow, StageRow, StudyRow, WorkerRow

#: Tables with rows of a study; claims come before the workers that hold them.
_CHILDREN = (ArchitectureRow, ModelRow, ExportRow, StageRow, ClaimRow, WorkerRow)
_ARTIFACT_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True)
class Removed:
    """The result of a deletion: numbers of trials and models, and the files that are left, such as reports."""

    name: str
    trials: int
    models: int
    left: tuple[str, ...]


def delete_rows(session: Session, studies: Select[Any], own: ColumnElement[bool]) -> None:
    """Delete our rows of the studies with the selected ids, and then the studies under the condition `own`."""
    # SQLite cascades only if every connection asks for it.
    for child in _CHILDREN:
        session.execute(delete(child).where(child.study_id.in_(studies)))
    session.execute(delete(StudyRow).where(own))


def delete_study(database: Database, row: StudyRow) -> Removed:
    """Delete a study with its trials, stages, models, predictions and listed files.

    Raises:
        StoreError: A living process searches the study or works on its trials, or a file cannot be deleted.
    """
    root, folder = artifact_root(database.url), study_folder(database, row.name, row.created_at)
    with _alone(database, row):
        with database.session() as session:
            main, linked = _optuna_ids(session, row)
            listed = _artifacts(session, [main, *linked.values()])
            counts = [
                session.scalar(select(func.count()).where(column == number)) or 0
                for column, number in ((TrialModel.study_id, main), (ModelRow.study_id, row.id))
            ]
        with _files(folder):
            for name in listed:
                (root / FOLDER / name).unlink(missing_ok=True)
            if folder.exists():
                shutil.rmtree(folder)
        with database.session() as session:
            for number in (*linked.values(), main):
                _delete_in_optuna(session, number)
            delete_rows(session, select(StudyRow.id).where(StudyRow.id == row.id), StudyRow.id == row.id)
    _remove_if_empty(folder.parent)
    left = sorted(path.name for path in folder.parent.iterdir()) if folder.parent.is_dir() else []
    trials, models = counts
    return Removed(row.name, trials, models, left=tuple(str(folder.parent / name) for name in left))


def rename_study(database: Database, row: StudyRow, name: str) -> None:
    """Give a study another name, in Optuna's tables and ours, with its stages and its folder.

    Raises:
        StoreError: Another study has the name, or a living process searches the study or works on its trials.
    """
    old, new = (study_folder(database, one, row.created_at) for one in (row.name, name))
    with _alone(database, row):
        moved = False
        try:
            with database.session() as session:
                main, linked = _optuna_ids(session, row)
                _check_free(session, name, row, [main, *linked.values()])
                _rename_in_optuna(session, main, linked, name)
                _rename_own(session, row, old, new, artifact_root(database.url))
                session.flush()
                # The folder moves right before the commit. After a kill in between, the command can be repeated.
                if old.exists() and not new.exists():
                    with _files(old):
                        new.parent.mkdir(parents=True, exist_ok=True)
                        old.rename(new)
                    moved = True
        except BaseException:
            if moved:
                new.rename(old)
                _remove_if_empty(new.parent)
            raise
    _remove_if_empty(old.parent)


def study_folder(database: Database, name: str, created: datetime) -> Path:
    """Return the folder of a study's files, `<root>/<study>/<time of creation>`."""
    return artifact_root(database.url) / name / created.strftime("%Y%m%d-%H%M%S-%f")


@contextmanager
def _alone(database: Database, row: StudyRow) -> Iterator[None]:
    """Lead a study in the block; raise StoreError if a worker is at it."""
    lease = acquire(database, row.id)
    try:
        with database.session() as session:
            me, now = current_process(), datetime.now(UTC)
            owned = select(WorkerRow).where(WorkerRow.study_id == row.id, WorkerRow.owner_token.is_not(None))
            for worker in session.scalars(owned):
                if is_alive(worker, me, now):
                    raise StoreError(
                        f"study '{row.name}' has a worker, process {worker.owner_pid} on host '{worker.owner_host}'; "
                        "wait for it, or stop it."
                    )
        yield
    finally:
        lease.release()


@contextmanager
def _files(folder: Path) -> Iterator[None]:
    """Turn errors of files that cannot be moved or deleted into a StoreError of one line."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"the files of a study in '{folder}' cannot be changed: {error.strerror or error} ({error.filename}); fix "
            "that and repeat the command."
        ) from error


def _optuna_ids(session: Session, row: StudyRow) -> tuple[int, dict[str, int]]:
    """Return Optuna's ids of a study and, by stage, of the studies of its stages."""
    main = session.scalar(select(StudyModel.study_id).where(StudyModel.study_name == row.name))
    if main is None:
        raise StoreError(f"study '{row.name}' was just deleted by another program.")
    return main, dict(linked_studies(session).get((row.name, row.created_at.isoformat()), {}))


def _artifacts(session: Session, studies: Collection[int]) -> list[str]:
    """Return the names of the files that optuna-dashboard lists for studies and their trials."""
    prefix = ARTIFACTS_ATTR_PREFIX
    of_studies = select(StudySystemAttributeModel.key).where(
        StudySystemAttributeModel.study_id.in_(studies), StudySystemAttributeModel.key.startswith(prefix)
    )
    of_trials = (
        select(TrialSystemAttributeModel.key)
        .join(TrialModel, TrialModel.trial_id == TrialSystemAttributeModel.trial_id)
        .where(TrialModel.study_id.in_(studies), TrialSystemAttributeModel.key.startswith(prefix))
    )
    found = [key.removeprefix(prefix) for query in (of_studies, of_trials) for key in session.scalars(query)]
    # Only names of artifacts are accepted, as anyone may write into the database.
    return [name for name in found if _ARTIFACT_ID.fullmatch(name)]


def _delete_in_optuna(session: Session, study: int) -> None:
    """Delete an Optuna study by one statement per table, as Optuna itself loads every attribute of every trial."""
    trials = select(TrialModel.trial_id).where(TrialModel.study_id == study)
    tables = tuple(reversed(BaseModel.metadata.sorted_tables))
    for table in tables:
        if table.name != TrialModel.__tablename__ and "trial_id" in table.c:
            session.execute(delete(table).where(table.c.trial_id.in_(trials)))
    for table in tables:
        if "study_id" in table.c:
            session.execute(delete(table).where(table.c.study_id == study))


def _check_free(session: Session, name: str, row: StudyRow, own: Collection[int]) -> None:
    """Raise StoreError if another study has the name; delete stages that a deleted study of that name has left."""
    ours = select(StudyRow.name).where(StudyRow.name == name, StudyRow.id != row.id)
    optunas = select(StudyModel.study_name).where(
        StudyModel.study_name == name, StudyModel.study_id.not_in(own)
    )
    if session.scalar(ours) is not None or session.scalar(optunas) is not None:
        raise StoreError(f"another study is named '{name}' already; choose another name for '{row.name}'.")
    for (of, _), stages in linked_studies(session).items():
        if of == name:
            for number in stages.values():
                _delete_in_optuna(session, number)


def _rename_in_optuna(session: Session, main: int, linked: dict[str, int], name: str) -> None:
    names = {main: name} | {number: f"{name}/{stage}" for stage, number in linked.items()}
    for number, new in names.items():
        session.execute(update(StudyModel).where(StudyModel.study_id == number).values(study_name=new))
    attribute = StudyUserAttributeModel
    session.execute(
        update(attribute)
        .where(attribute.study_id.in_(linked.values()), attribute.key == OF)
        .values(value_json=json.dumps(name))
    )
    session.execute(
        update(attribute)
        .where(attribute.study_id == main, attribute.key == STAGES)
        .values(value_json=json.dumps({stage: f"{name}/{stage}" for stage in linked}))
    )


def _rename_own(session: Session, row: StudyRow, old: Path, new: Path, root: Path) -> None:
    session.execute(update(StudyRow).where(StudyRow.id == row.id).values(name=new.parent.name))
    before, after = (f"{folder.relative_to(root).as_posix()}/" for folder in (old, new))
    for model in session.scalars(select(ModelRow).where(ModelRow.study_id == row.id)):
        # Models outside the folder of studies are stored by their absolute path, which stays.
        if model.path is not None and model.path.startswith(before):
            model.path = after + model.path.removeprefix(before)


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()
