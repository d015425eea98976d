"""The store of all studies of one database, which creates, resumes, opens and lists them."""

from __future__ import annotations

import json
import platform
import threading
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from importlib import metadata
from types import TracebackType
from typing import Any, Self

import optuna
from sqlalchemy import and_, exists, select
from sqlalchemy.exc import IntegrityError

from autofi.core.json import to_text
from autofi.core.optuna_logging import quiet_optuna
from autofi.errors import StoreError, StudyMismatchError
from autofi.objectives.objectives import Goals
from autofi.store import delete_rename as removal
from autofi.store.database import Database
from autofi.store.delete_rename import Removed, delete_rows
from autofi.store.overview import StudyOverview, read_overview
from autofi.store.plain_tables import STUDIES
from autofi.store.quick_lookup import not_found
from autofi.store.records import StudySummary
from autofi.store.storage_url import StorageURL, resolve_storage
from autofi.store.study_handle import StudyHandle
from autofi.store.study_list import goals_of, read_list
from autofi.store.study_name import check_study_name
from autofi.store.tables import StudyRow

#: The settings by which a study's trials are proposed; all trials of a study must have them in common.
PLAN = ("strategy", "sampler", "fidelity")
_PACKAGES = ("torch", "numpy", "pyarrow", "pandas", "optuna", "sqlalchemy")


class StudyStore:
    """The studies at `url`; the database is opened, and created, when it is first needed.

    Args:
        url: The database.
        looking: True if it is only read, by any number of threads; reading neither waits for writers nor blocks them.
    """

    def __init__(self, url: StorageURL, *, looking: bool = False) -> None:
        self.url = url
        self._looking = looking
        self._opened: Database | None = None
        self._opening = threading.Lock()

    def create_or_resume(
        self,
        name: str,
        *,
        space_name: str,
        space_json: str,
        space_fingerprint: str,
        data_source: str,
        data_fingerprint: str,
        settings: Mapping[str, Any],
    ) -> StudyHandle:
        """Return a claimed handle on the study of that name, which is created, or resumed if it exists.

        A resumed study keeps the space and settings with which it was created.

        Raises:
            StudyMismatchError: The stored study has another space, data, plan, objectives or limits.
            StoreError: Another process searches the study, or another tool made it.
            ConfigError: The name cannot be that of a folder.
        """
        check_study_name(name, self.url)
        row = self._row(name)
        if row is None:
            row = self._create(
                name,
                StudyRow(
                    name=name,
                    space_name=space_name,
                    space=space_json,
                    space_fingerprint=space_fingerprint,
                    data_source=data_source,
                    data_fingerprint=data_fingerprint,
                    settings=to_text(settings),
                    created_at=datetime.now(UTC),
                    versions=to_text(_versions()),
                    package_version=_version("autofi") or "unknown",
                ),
            )
        _check_same(
            row,
            settings=settings,
            space_name=space_name,
            space_fingerprint=space_fingerprint,
            data_source=data_source,
            data_fingerprint=data_fingerprint,
        )
        handle = StudyHandle(self._database, row)
        handle.claim()
        return handle

    def settings(self, name: str) -> dict[str, Any] | None:
        """Return the settings of the study of that name, or None if there is no such study."""
        row = self._row(name) if self._exists() else None
        return None if row is None else json.loads(row.settings)

    def check_same(
        self, name: str, *, settings: Mapping[str, Any], space_name: str, space_fingerprint: str
    ) -> None:
        """Check that a search may resume the study of that name, before its data are read.

        Raises:
            StudyMismatchError: The study exists with another space, seed, plan or goals; another seed would split the
                data in another way.
            ConfigError: The name cannot be that of a folder.
        """
        check_study_name(name, self.url)
        row = self._row(name) if self._exists() else None
        if row is not None:
            kept = json.loads(row.settings).get("seed")
            if kept is not None and settings.get("seed", kept) != kept:
                raise StudyMismatchError(
                    f"study '{name}' was made with another seed ({kept}, now {settings['seed']}); leave it out to go "
                    f"on (--seed), or give the new search another name (--study)."
                )
            _check_same(row, settings=settings, space_name=space_name, space_fingerprint=space_fingerprint)

    def open(self, name: str) -> StudyHandle:
        """Return a handle on an existing study, without a claim.

        Raises:
            StudyNotFoundError: There is no such study.
        """
        row = self._known(name)  # comes first, as opening the database would create it
        return StudyHandle(self._database, row)

    def delete(self, name: str) -> Removed:
        """Delete a study with its rows and files: see `delete_rename.delete_study`.

        With a server, files of the study on other machines stay there.

        Raises:
            StudyNotFoundError: There is no such study.
            StoreError: A living process searches the study or works on its trials.
        """
        row = self._known(name)
        return removal.delete_study(self._database, row)

    def rename(self, name: str, new: str) -> None:
        """Give a study another name: see `delete_rename.rename_study`.

        Raises:
            StudyNotFoundError: There is no such study.
            ConfigError: The new name cannot be that of a folder.
            StoreError: The name is taken, or a living process searches the study or works on its trials.
        """
        check_study_name(new, self.url)
        row = self._known(name)
        if new == name:
            raise StoreError(f"study '{name}' has that name already.")
        self._forget_deleted(new)
        removal.rename_study(self._database, row, new)

    def list(self) -> tuple[StudySummary, ...]:
        """Return all studies that AutoFI made, oldest first; none if there is no database yet."""
        if not self._exists():
            return ()
        with self._database.session() as session:
            return read_list(session.connection())

    def overview(self, payloads: Collection[str] = ()) -> tuple[StudyOverview, ...]:
        """Return an overview of all studies that AutoFI made, oldest first, with the stages of the keys `payloads`."""
        return read_overview(self._database, payloads) if self._exists() else ()

    def close(self) -> None:
        """Close the connections, after all handles have been closed; using the store opens it again."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _database(self) -> Database:
        with self._opening:
            if self._opened is None:
                self._opened = Database(self.url, looking=self._looking)
            return self._opened

    def _exists(self) -> bool:
        # Looking for a study must not leave an empty database behind.
        return self.url.file is None or self.url.file.exists()

    def _row(self, name: str) -> StudyRow | None:
        """Return our row of a study that Optuna still has.

        Raises:
            StoreError: The database does not tell the name from that of another study.
        """
        query = (
            select(StudyRow).join(STUDIES, STUDIES.c.study_name == StudyRow.name).where(StudyRow.name == name)
        )
        with self._database.session() as session:
            row: StudyRow | None = session.scalar(query)
        if row is not None and row.name != name:
            # MySQL's usual collations ignore case and accents.
            raise StoreError(
                f"study '{name}' has the name of study '{row.name}' as far as {self.url} can tell; choose another "
                f"name (--study), or create the database again with COLLATE utf8mb4_bin."
            )
        return row

    def _known(self, name: str) -> StudyRow:
        """Return our row of a study; raise StudyNotFoundError with the nearest name if there is none."""
        row = self._row(name) if self._exists() else None
        if row is None:
            raise not_found(name, self.url, [summary.name for summary in self.list()])
        return row

    def _create(self, name: str, row: StudyRow) -> StudyRow:
        self._forget_deleted(name)
        self._create_in_optuna(name, row)
        try:
            with self._database.session() as session:
                session.add(row)
        except StoreError as error:
            existing = self._row(name) if isinstance(error.__cause__, IntegrityError) else None
            if existing is None:
                raise
            # Another process created it at the same moment; the first to claim it searches it.
            return existing
        return row

    def _forget_deleted(self, name: str) -> None:
        """Delete the rows of a study that was deleted in the dashboard, before another study takes its name."""
        deleted = and_(
            StudyRow.name == name, ~exists().where(STUDIES.c.study_name == StudyRow.name).correlate(StudyRow)
        )
        with self._database.session() as session:
            delete_rows(session, select(StudyRow.id).where(deleted), deleted)

    def _create_in_optuna(self, name: str, row: StudyRow) -> None:
        with quiet_optuna(), self._database.errors():
            goals = goals_of(row)
            study = optuna.create_study(
                study_name=name,
                storage=self._database.optuna,
                directions=goals.directions,
                load_if_exists=True,
            )
            directions = tuple(direction.name.lower() for direction in study.directions)
            # Our row is written second, so an empty study without it may be left by a kill in between.
            if study.get_trials(deepcopy=False) or directions != goals.directions:
                raise StoreError(
                    f"study '{name}' in {self.url} was made by another Optuna program, not by AutoFI; "
                    f"choose another name (--study)."
                )
            study.set_metric_names([objective.label for objective in goals.objectives])
            for key, value in {
                "autofi_space": row.space_name,
                "autofi_space_fingerprint": row.space_fingerprint,
                "autofi_data": row.data_source,
                "autofi_data_fingerprint": row.data_fingerprint,
                "autofi_version": row.package_version,
            }.items():
                study.set_user_attr(key, value)


def _check_same(
    row: StudyRow,
    *,
    settings: Mapping[str, Any],
    space_name: str,
    space_fingerprint: str,
    data_source: str | None = None,
    data_fingerprint: str | None = None,
) -> None:
    """Raise StudyMismatchError if a study differs in goals, plan, space or, with a fingerprint, data."""
    differences = []
    kept, goals = json.loads(row.settings), Goals.from_json(settings)
    if goals_of(row) != goals:
        differences.append(f"other objectives or limits ({goals_of(row)}, now {goals})")
    for key in PLAN:
        # Versions with only one choice did not store its name.
        if key in settings and kept.get(key, settings[key]) != settings[key]:
            differences.append(f"another {key} ('{kept[key]}', now '{settings[key]}')")
    if row.space_fingerprint != space_fingerprint:
        differences.append(
            f"another search space ('{row.space_name}' {row.space_fingerprint[:12]}, "
            f"now '{space_name}' {space_fingerprint[:12]})"
        )
    other_data = data_fingerprint is not None and row.data_fingerprint != data_fingerprint
    if other_data and "reading" in settings and kept.get("reading", 1) != settings["reading"]:
        differences.append("an earlier version of AutoFI, which read and split tables in another way")
    elif other_data:
        assert data_fingerprint is not None
        differences.append(
            f"other data ('{row.data_source}' {row.data_fingerprint[:12]}, "
            f"now '{data_source}' {data_fingerprint[:12]})"
        )
    if differences:
        raise StudyMismatchError(
            f"study '{row.name}' was made with {' and '.join(differences)}; "
            f"give the new search another name (--study)."
        )


def _versions() -> dict[str, str]:
    found = {package: _version(package) for package in _PACKAGES}
    return {"python": platform.python_version(), **{name: text for name, text in found.items() if text}}


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def delete_study(name: str, storage: str | None = None) -> Removed:
    """Delete a study with its trials, models, predictions and listed files; reports and exports stay.

    Args:
        name: Name of the study.
        storage: URL or path of the storage; None takes the environment's or the default.

    Raises:
        StudyNotFoundError: There is no such study.
        StoreError: A living process searches the study or works on its trials.
    """
    with StudyStore(resolve_storage(storage)) as store:
        return store.delete(name)


def rename_study(name: str, new: str, storage: str | None = None) -> None:
    """Give a study another name; its folder and the studies of its stages follow.

    Args:
        name: Name of the study.
        new: New name, which no other study has.
        storage: URL or path of the storage; None takes the environment's or the default.

    Raises:
        StudyNotFoundError: There is no such study.
        ConfigError: The new name cannot be that of a folder.
        StoreError: The name is taken, or a living process searches the study or works on its trials.
    """
    with StudyStore(resolve_storage(storage)) as store:
        store.rename(name, new)
