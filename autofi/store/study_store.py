"""The store of all studies of one database, which creates, resumes, opens and lists them."""

from __future__ import annotations

import json
import platform
import threading
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from types import TracebackType
from typing import Any, Self

import optuna
from sqlalchemy import Integer, String, Text, and_, cast, column, exists, func, select, table
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from autofi.core.json import to_text
from autofi.core.optuna_logging import quiet_optuna
from autofi.errors import StoreError, StudyMismatchError
from autofi.objectives.objectives import OBJECTIVES, Goals
from autofi.store import delete_rename as removal
from autofi.store.database import Database
from autofi.store.delete_rename import Removed, delete_rows
from autofi.store.optuna_trials import CONSTRAINTS
from autofi.store.overview import StudyOverview, read_overview
from autofi.store.quick_lookup import not_found
from autofi.store.records import ModelRole, StudySummary
from autofi.store.storage_url import StorageURL, resolve_storage
from autofi.store.study_handle import StudyHandle
from autofi.store.study_name import check_study_name
from autofi.store.tables import ModelRow, StageRow, StudyRow
from autofi.store.winner_record import WINNER, kept_reason

#: The settings by which a study's trials are proposed; all trials of a study must have them in common.
PLAN = ("strategy", "sampler", "fidelity")
_PACKAGES = ("torch", "numpy", "pyarrow", "pandas", "optuna", "sqlalchemy")

# The parts of Optuna's schema that a list of studies needs, as loading thousands of trials takes minutes.
_STUDIES = table("studies", column("study_id", Integer), column("study_name", String))
_TRIALS = table("trials", column("trial_id", Integer), column("study_id", Integer), column("state"))
_VALUES = table("trial_values", column("trial_id", Integer), column("objective", Integer), column("value"))
_USER_ATTRIBUTES, _SYSTEM_ATTRIBUTES = (
    table(name, column("trial_id", Integer), column("key", String), column("value_json", Text))
    for name in ("trial_user_attributes", "trial_system_attributes")
)
# The state is an enumeration type on PostgreSQL.
_COMPLETE = cast(_TRIALS.c.state, String(16)) == optuna.trial.TrialState.COMPLETE.name


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
        measured = (
            select(
                _STUDIES.c.study_name,
                func.count(_TRIALS.c.trial_id).label("trials"),
                func.max(_VALUES.c.value).label("best"),
            )
            .select_from(_STUDIES)
            .outerjoin(
                _TRIALS,
                and_(_TRIALS.c.study_id == _STUDIES.c.study_id, _COMPLETE),
            )
            .outerjoin(_VALUES, and_(_VALUES.c.trial_id == _TRIALS.c.trial_id, _VALUES.c.objective == 0))
            .group_by(_STUDIES.c.study_name)
            .subquery()
        )
        winners = (
            select(ModelRow.study_id, ModelRow.architecture_id)
            .where(ModelRow.role == ModelRole.WINNER.value)
            .order_by(ModelRow.created_at, ModelRow.id)
        )
        stages = select(StageRow.study_id, StageRow.payload).where(StageRow.key == WINNER)
        studies = (
            select(StudyRow, measured.c.trials, measured.c.best)
            .join(measured, measured.c.study_name == StudyRow.name)
            .order_by(StudyRow.created_at, StudyRow.id)
        )
        with self._database.session() as session:
            kept = {row.study_id: json.loads(row.payload) for row in session.execute(stages)}
            winner = {row.study_id: row.architecture_id for row in session.execute(winners)}
            winner |= {study: stage.get("architecture_id") for study, stage in kept.items()}
            found = session.execute(studies).all()
            best_of = _best_aucs(session, [row for row, _, _ in found])
            best_auc = {row.id: best_of.get(row.name, best) for row, _, best in found}
            return tuple(
                StudySummary(
                    name=row.name,
                    trials=trials,
                    best_valid_auc=best_auc[row.id],
                    winner=winner.get(row.id),
                    created_at=row.created_at,
                    data_source=row.data_source,
                    space_name=row.space_name,
                    reason=_reason(row, kept.get(row.id), best_auc[row.id]),
                )
                for row, trials, _ in found
            )

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
            select(StudyRow)
            .join(_STUDIES, _STUDIES.c.study_name == StudyRow.name)
            .where(StudyRow.name == name)
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
            StudyRow.name == name, ~exists().where(_STUDIES.c.study_name == StudyRow.name).correlate(StudyRow)
        )
        with self._database.session() as session:
            delete_rows(session, select(StudyRow.id).where(deleted), deleted)

    def _create_in_optuna(self, name: str, row: StudyRow) -> None:
        with quiet_optuna(), self._database.errors():
            goals = _goals(row)
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


def _goals(row: StudyRow) -> Goals:
    return Goals.from_json(json.loads(row.settings))


def _reason(row: StudyRow, kept: Mapping[str, Any] | None, best_auc: float | None) -> str | None:
    goals = _goals(row)
    # If another objective comes first, its best value is not in the list.
    best = best_auc if goals.objectives[0] == OBJECTIVES["auc"] else None
    return None if kept is None else kept_reason(goals, kept, best)


def _best_aucs(session: Session, rows: Sequence[StudyRow]) -> dict[str, float | None]:
    """Return the highest validation AUC within the limits by study, if it is not simply the best first objective."""
    names = [
        row.name for row in rows if (goals := _goals(row)).limits or goals.objectives[0] != OBJECTIVES["auc"]
    ]
    if not names:
        return {}
    measured = (
        select(_STUDIES.c.study_name, _USER_ATTRIBUTES.c.value_json, _SYSTEM_ATTRIBUTES.c.value_json)
        .join(_TRIALS, and_(_TRIALS.c.study_id == _STUDIES.c.study_id, _COMPLETE))
        .join(
            _USER_ATTRIBUTES,
            and_(_USER_ATTRIBUTES.c.trial_id == _TRIALS.c.trial_id, _USER_ATTRIBUTES.c.key == "valid"),
        )
        .outerjoin(
            _SYSTEM_ATTRIBUTES,
            and_(
                _SYSTEM_ATTRIBUTES.c.trial_id == _TRIALS.c.trial_id, _SYSTEM_ATTRIBUTES.c.key == CONSTRAINTS
            ),
        )
        .where(_STUDIES.c.study_name.in_(names))
    )
    best: dict[str, float | None] = dict.fromkeys(names)
    for name, valid, violations in session.execute(measured):
        auc = json.loads(valid).get("auc")
        if auc is not None and all(violation <= 0 for violation in json.loads(violations or "[]")):
            best[name] = max(auc, best[name] or 0.0)
    return best


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
    if _goals(row) != goals:
        differences.append(f"other objectives or limits ({_goals(row)}, now {goals})")
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


def list_studies(storage: str | None = None) -> tuple[StudySummary, ...]:
    """Return the studies of a storage, in the order of their creation.

    Args:
        storage: URL or path of the storage; None takes the environment's or the default.
    """
    with StudyStore(resolve_storage(storage)) as store:
        return store.list()


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
