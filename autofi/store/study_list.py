"""The list of the studies of a storage, read by plain SQL: no trial is loaded, and Optuna is not imported."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any

from sqlalchemy import Connection, Row, and_, func, select

from autofi.objectives.objectives import OBJECTIVES, Goals
from autofi.store.plain_tables import (
    COMPLETE,
    CONSTRAINTS,
    MODELS,
    OUR_STUDIES,
    STAGES,
    STUDIES,
    SYSTEM_ATTRIBUTES,
    TRIALS,
    USER_ATTRIBUTES,
    VALUES,
)
from autofi.store.quick_read import has_known_tables, quick_read
from autofi.store.records import ModelRole, StudySummary
from autofi.store.storage_url import resolve_storage
from autofi.store.winner_record import WINNER, kept_reason


def list_studies(storage: str | None = None) -> tuple[StudySummary, ...]:
    """Return the studies of a storage, in the order of their creation.

    Args:
        storage: URL or path of the storage; None takes the environment's or the default.
    """
    url = resolve_storage(storage)
    found = quick_read(
        url, lambda connection: read_list(connection) if has_known_tables(connection) else None
    )
    if found is not None:
        return found
    # Optuna and Alembic, which upgrade the tables or say what is wrong with them, take seconds to import.
    from autofi.store.study_store import StudyStore

    with StudyStore(url) as store:
        return store.list()


def read_list(connection: Connection) -> tuple[StudySummary, ...]:
    """Return all studies that AutoFI made, oldest first."""
    measured = (
        select(
            STUDIES.c.study_name,
            func.count(TRIALS.c.trial_id).label("trials"),
            func.max(VALUES.c.value).label("best"),
        )
        .select_from(STUDIES)
        .outerjoin(TRIALS, and_(TRIALS.c.study_id == STUDIES.c.study_id, COMPLETE))
        .outerjoin(VALUES, and_(VALUES.c.trial_id == TRIALS.c.trial_id, VALUES.c.objective == 0))
        .group_by(STUDIES.c.study_name)
        .subquery()
    )
    winners = (
        select(MODELS.c.study_id, MODELS.c.architecture_id)
        .where(MODELS.c.role == ModelRole.WINNER.value)
        .order_by(MODELS.c.created_at, MODELS.c.id)
    )
    stages = select(STAGES.c.study_id, STAGES.c.payload).where(STAGES.c.key == WINNER)
    studies = (
        select(OUR_STUDIES, measured.c.trials, measured.c.best)
        .join(measured, measured.c.study_name == OUR_STUDIES.c.name)
        .order_by(OUR_STUDIES.c.created_at, OUR_STUDIES.c.id)
    )
    kept = {row.study_id: json.loads(row.payload) for row in connection.execute(stages)}
    winner = {row.study_id: row.architecture_id for row in connection.execute(winners)}
    winner |= {study: stage.get("architecture_id") for study, stage in kept.items()}
    rows = connection.execute(studies).all()
    best_of = _best_aucs(connection, rows)
    best_auc = {row.id: best_of.get(row.name, row.best) for row in rows}
    return tuple(
        StudySummary(
            name=row.name,
            trials=row.trials,
            best_valid_auc=best_auc[row.id],
            winner=winner.get(row.id),
            created_at=row.created_at.replace(tzinfo=UTC),
            data_source=row.data_source,
            space_name=row.space_name,
            reason=_reason(row, kept.get(row.id), best_auc[row.id]),
        )
        for row in rows
    )


def goals_of(row: Any) -> Goals:
    """Return the goals in the settings of a row of a study."""
    return Goals.from_json(json.loads(row.settings))


def _reason(row: Row[Any], kept: Mapping[str, Any] | None, best_auc: float | None) -> str | None:
    goals = goals_of(row)
    # If another objective comes first, its best value is not in the list.
    best = best_auc if goals.objectives[0] == OBJECTIVES["auc"] else None
    return None if kept is None else kept_reason(goals, kept, best)


def _best_aucs(connection: Connection, rows: Sequence[Row[Any]]) -> dict[str, float | None]:
    """Return the highest validation AUC within the limits by study, if it is not simply the best first objective."""
    names = [
        row.name
        for row in rows
        if (goals := goals_of(row)).limits or goals.objectives[0] != OBJECTIVES["auc"]
    ]
    if not names:
        return {}
    measured = (
        select(STUDIES.c.study_name, USER_ATTRIBUTES.c.value_json, SYSTEM_ATTRIBUTES.c.value_json)
        .join(TRIALS, and_(TRIALS.c.study_id == STUDIES.c.study_id, COMPLETE))
        .join(
            USER_ATTRIBUTES,
            and_(USER_ATTRIBUTES.c.trial_id == TRIALS.c.trial_id, USER_ATTRIBUTES.c.key == "valid"),
        )
        .outerjoin(
            SYSTEM_ATTRIBUTES,
            and_(SYSTEM_ATTRIBUTES.c.trial_id == TRIALS.c.trial_id, SYSTEM_ATTRIBUTES.c.key == CONSTRAINTS),
        )
        .where(STUDIES.c.study_name.in_(names))
    )
    best: dict[str, float | None] = dict.fromkeys(names)
    for name, valid, violations in connection.execute(measured):
        auc = json.loads(valid).get("auc")
        if auc is not None and all(violation <= 0 for violation in json.loads(violations or "[]")):
            best[name] = max(auc, best[name] or 0.0)
    return best
