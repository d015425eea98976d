"""All studies of one database: creates, resumes, opens and lists them."""

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

#: The settings that say how a study's trials come about: those of one study must have it in common.
PLAN = ("strategy", "sampler", "fidelity")
_PACKAGES = ("torch", "numpy", "pyarrow", "pandas", "optuna", "sqlalchemy")

# Of Optuna's schema, what a list of studies needs: loading every trial takes minutes at thousands.
_STUDIES = table("studies", column("study_id", Integer), column("study_name", String))
_TRIALS = table("trials", column("trial_id", Integer), column("study_id", Integer), column("state"))
_VALUES = table("trial_values", column("trial_id", Integer), column("objective", Integer), column("value"))
_USER_ATTRIBUTES, _SYSTEM_ATTRIBUTES = (
    table(name, column("trial_id", Integer), column("key", String), column("value_json", Text))
    for name in ("trial_user_attributes", "trial_system_attributes")
)
# An enumeration type on PostgreSQL.
_COMPLETE = cast(_TRIALS.c.state, String(16)) == optuna.trial.TrialState.COMPLETE.name


class StudyStore:
    """The studies at `url`; the database is opened, and created, when it is first needed.

    With `looking` it is read only, by any number of threads, and neither waits for writers nor holds them up.
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
        """A claimed handle on the study of that name, new or made with the same space and data.

        A resume keeps the space and settings stored when the study was created.
        Raises StudyMismatchError when space, data, plan, objectives or limits differ, StoreError while another process
        searches the study or when another tool made it, ConfigError for a name that cannot be a folder.
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
        """What the study of that name was made with; None where there is no such study."""
        row = self._row(name) if self._exists() else None
        return None if row is None else json.loads(row.settings)

    def check_same(
        self, name: str, *, settings: Mapping[str, Any], space_name: str, space_fingerprint: str
    ) -> None:
        """Raise StudyMismatchError when the study of that name exists with another space, seed, plan or goals: before
        the data is read, of which another seed makes another split. Raise ConfigError for a name that no study can
        have."""
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
        """A handle on an existing study that does not claim it; raises StudyNotFoundError."""
        row = self._known(name)  # first: opening the database would make it
        return StudyHandle(self._database, row)

    def delete(self, name: str) -> Removed:
        """Delete a study with all that it kept here: see `removal.delete_study`; raises StudyNotFoundError.

        On a server, files that another machine keeps beside its own working folder stay there.
        """
        row = self._known(name)
        return removal.delete_study(self._database, row)

    def rename(self, name: str, new: str) -> None:
        """Give a study another name: see `removal.rename_study`; raises StudyNotFoundError and ConfigError."""
        check_study_name(new, self.url)
        row = self._known(name)
        if new == name:
            raise StoreError(f"study '{name}' has that name already.")
        self._forget_deleted(new)
        removal.rename_study(self._database, row, new)

    def list(self) -> tuple[StudySummary, ...]:
        """All studies that AutoFI made, oldest first; none when there is no database yet."""
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
        """All studies that AutoFI made at a glance, oldest first, with what was recorded under the keys `payloads`."""
        return read_overview(self._database, payloads) if self._exists() else ()

    def close(self) -> None:
        """Give the connections back, after the handles have been closed; using the store opens it again."""
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
        """Our row of a study that Optuna still has; raises StoreError where the database takes another name for it."""
        query = (
            select(StudyRow)
            .join(_STUDIES, _STUDIES.c.study_name == StudyRow.name)
            .where(StudyRow.name == name)
        )
        with self._database.session() as session:
            row: StudyRow | None = session.scalar(query)
        if row is not None and row.name != name:
            # MySQL's usual collations: capitals and accents make no difference.
            raise StoreError(
                f"study '{name}' has the name of study '{row.name}' as far as {self.url} can tell; choose another "
                f"name (--study), or create the database anew with COLLATE utf8mb4_bin."
            )
        return row

    def _known(self, name: str) -> StudyRow:
        """Our row of a study; raises StudyNotFoundError with the nearest name where there is none."""
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
            # Another process created it at the same moment; who claims it first searches it.
            return existing
        return row

    def _forget_deleted(self, name: str) -> None:
        """Drop what a study deleted in the dashboard left here, before the next one takes its name."""
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
            # Ours comes second: an empty one without it is what a kill between the two leaves behind.
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
    # Of another objective that comes first, the best value is not among the columns of the list.
    best = best_auc if goals.objectives[0] == OBJECTIVES["auc"] else None
    return None if kept is None else kept_reason(goals, kept, best)


def _best_aucs(session: Session, rows: Sequence[StudyRow]) -> dict[str, float | None]:
    """The highest validation AUC within the limits, by study, where it is not that of the first objective's values."""
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
    """Without a data fingerprint goals, plan and space are compared."""
    differences = []
    kept, goals = json.loads(row.settings), Goals.from_json(settings)
    if _goals(row) != goals:
        differences.append(f"other objectives or limits ({_goals(row)}, now {goals})")
    for key in PLAN:
        # Versions that knew one way only did not keep its name.
        if key in settings and kept.get(key, settings[key]) != settings[key]:
            differences.append(f"another {key} ('{kept[key]}', now '{settings[key]}')")
    if row.space_fingerprint != space_fingerprint:
        differences.append(
            f"another search space ('{row.space_name}' {row.space_fingerprint[:12]}, "
            f"now '{space_name}' {space_fingerprint[:12]})"
        )
    other_data = data_fingerprint is not None and row.data_fingerprint != data_fingerprint
    if other_data and "reading" in settings and kept.get("reading", 1) != settings["reading"]:
        differences.append("an earlier version of AutoFI, which read and split tables otherwise")
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
    """The studies of a storage, in the order they were created."""
    with StudyStore(resolve_storage(storage)) as store:
        return store.list()


def delete_study(name: str, storage: str | None = None) -> Removed:
    """Delete a study with its trials, models, predictions and the files it listed; reports and exports stay.

    Raises StudyNotFoundError, and StoreError while a living process searches it or works on its trials.
    """
    with StudyStore(resolve_storage(storage)) as store:
        return store.delete(name)


def rename_study(name: str, new: str, storage: str | None = None) -> None:
    """Give a study another name, which no other has; its folder and the studies of its stages follow.

    Raises StudyNotFoundError, ConfigError for a name that cannot be a folder, and StoreError where the name is taken
    and while a living process searches the study or works on its trials.
    """
    with StudyStore(resolve_storage(storage)) as store:
        store.rename(name, new)
