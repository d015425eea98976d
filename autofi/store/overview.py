"""An overview of all studies of a database, read in a handful of queries however many trials they have."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from optuna.storages._rdb.models import (
    StudyModel,
    TrialModel,
    TrialSystemAttributeModel,
    TrialValueModel,
)
from optuna.trial import TrialState as OptunaState
from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from autofi.core.process_identity import current_process
from autofi.objectives.objectives import Goals
from autofi.store.claims import ClaimState
from autofi.store.database import Database
from autofi.store.database_clock import read_clock
from autofi.store.lease import is_alive
from autofi.store.optuna_stages import linked_studies
from autofi.store.plain_tables import CONSTRAINTS
from autofi.store.records import TrialState
from autofi.store.tables import ClaimRow, ModelRow, StageRow, StudyRow, WorkerRow


@dataclass(frozen=True)
class StageOverview:
    """The time at which a stage was last recorded, and its payload if it was asked for."""

    recorded_at: datetime
    payload: Mapping[str, Any] | None


@dataclass(frozen=True)
class StudyOverview:
    """An overview of one study. All times are aware.

    Attributes:
        name: Name of the study.
        optuna_id: Its number in Optuna's tables, as in the addresses of Optuna's dashboard.
        settings: Settings of its search.
        goals: Objectives and limits.
        data_source: Name of its data.
        space_name: Name of its search space.
        created_at: Time of its creation.
        stages: Records besides trials, by key.
        linked: Optuna ids of the studies of its stages, by stage.
        trials: Number of trials by state, even if their process is dead.
        running: Number of trials that run in a living process.
        led: True if a living process leads its search, or retrains.
        workers: Number of living processes that measure its trials, including the leader once it does.
        best: Best value of the first objective among the complete trials within the limits.
        models: Number of trained models.
        changed: Time of the last begin or end of a trial, stage or model.
    """

    name: str
    optuna_id: int
    settings: Mapping[str, Any]
    goals: Goals
    data_source: str
    space_name: str
    created_at: datetime
    stages: Mapping[str, StageOverview]
    linked: Mapping[str, int]
    trials: Mapping[TrialState, int]
    running: int
    led: bool
    workers: int
    best: float | None
    models: int
    changed: datetime

    @property
    def version(self) -> tuple[object, ...]:
        """A value that changes whenever there is something new to show."""
        counts = tuple(sorted(self.trials.items()))
        return self.optuna_id, self.created_at, self.changed, counts, self.models, len(self.stages)


def read_overview(database: Database, payloads: Collection[str]) -> tuple[StudyOverview, ...]:
    """Return all studies that AutoFI made, oldest first, with the payloads of the stages of those keys."""
    me = current_process()
    query = (
        select(StudyRow, StudyModel.study_id)
        .join(StudyModel, StudyModel.study_name == StudyRow.name)
        .order_by(StudyRow.created_at, StudyRow.id)
    )
    with database.session() as session:
        now = read_clock(session)
        rows = [(row, optuna_id) for row, optuna_id in session.execute(query)]
        if not rows:
            return ()
        goals = {optuna_id: Goals.from_json(json.loads(row.settings)) for row, optuna_id in rows}
        trials = _trials(session)
        best = _best(session, goals)
        stages = _stages(session, payloads)
        models = _models(session)
        owned = select(WorkerRow).where(WorkerRow.owner_token.is_not(None))
        workers = [worker for worker in session.scalars(owned) if is_alive(worker, me, now)]
        running = _running(session, {worker.id for worker in workers})
        linked = linked_studies(session)
    found = []
    for row, optuna_id in rows:
        counts, touched = trials.get(optuna_id, ({}, []))
        trained, last_trained = models.get(row.id, (0, None))
        moments = [row.created_at, *touched, *(stage.recorded_at for stage in stages[row.id].values())]
        found.append(
            StudyOverview(
                name=row.name,
                optuna_id=optuna_id,
                settings=json.loads(row.settings),
                goals=goals[optuna_id],
                data_source=row.data_source,
                space_name=row.space_name,
                created_at=row.created_at,
                stages=stages[row.id],
                linked=linked.get((row.name, row.created_at.isoformat()), {}),
                trials=counts,
                running=running.get(row.id, 0),
                led=is_alive(row, me, now),
                workers=sum(worker.study_id == row.id for worker in workers),
                best=best.get(optuna_id),
                models=trained,
                changed=max([*moments, *([last_trained] if last_trained else [])]),
            )
        )
    return tuple(found)


def _trials(session: Session) -> dict[int, tuple[dict[TrialState, int], list[datetime]]]:
    """Return, by Optuna's id of the study, the number of trials by state, and times that include the last change."""
    # The model's attributes of these names are properties.
    columns = TrialModel.__table__.c
    query = select(
        TrialModel.study_id,
        TrialModel.state,
        func.count(),
        func.max(columns.datetime_start),
        func.max(columns.datetime_complete),
    ).group_by(TrialModel.study_id, TrialModel.state)
    found: dict[int, tuple[dict[TrialState, int], list[datetime]]] = {}
    for study, state, count, *moments in session.execute(query):
        counts, touched = found.setdefault(study, ({}, []))
        counts[TrialState[state.name]] = count
        touched += [moment.replace(tzinfo=UTC) for moment in moments if moment is not None]
    return found


def _best(session: Session, goals: Mapping[int, Goals]) -> dict[int, float]:
    """Return, by Optuna's id of the study, the best value of the first objective within the limits."""
    complete = and_(
        TrialValueModel.trial_id == TrialModel.trial_id,
        TrialValueModel.objective == 0,
        TrialModel.state == OptunaState.COMPLETE,
    )
    extremes = (
        select(TrialModel.study_id, func.min(TrialValueModel.value), func.max(TrialValueModel.value))
        .join(TrialValueModel, complete)
        .group_by(TrialModel.study_id)
    )
    found = {
        study: _better(goals[study], (least, most))
        for study, least, most in session.execute(extremes)
        if study in goals
    }
    limited = [study for study in found if goals[study].limits]
    if not limited:
        return found
    kept: dict[int, list[float]] = defaultdict(list)
    each = (
        select(TrialModel.study_id, TrialValueModel.value, TrialSystemAttributeModel.value_json)
        .join(TrialValueModel, complete)
        .outerjoin(
            TrialSystemAttributeModel,
            and_(
                TrialSystemAttributeModel.trial_id == TrialModel.trial_id,
                TrialSystemAttributeModel.key == CONSTRAINTS,
            ),
        )
        .where(TrialModel.study_id.in_(limited))
    )
    for study, value, violations in session.execute(each):
        if all(violation <= 0 for violation in json.loads(violations or "[]")):
            kept[study].append(value)
    free = {study: value for study, value in found.items() if study not in limited}
    return free | {study: _better(goals[study], values) for study, values in kept.items()}


def _better(goals: Goals, values: Iterable[float]) -> float:
    return min(values, key=goals.objectives[0].loss)


def _stages(session: Session, payloads: Collection[str]) -> Mapping[int, dict[str, StageOverview]]:
    """Return the stages by our id of the study; payloads may be megabytes and are read only for the given keys."""
    asked = select(StageRow.id, StageRow.payload).where(StageRow.key.in_(list(payloads)))
    texts = dict(session.execute(asked).all())
    query = select(StageRow.id, StageRow.study_id, StageRow.key, StageRow.created_at)
    found: dict[int, dict[str, StageOverview]] = defaultdict(dict)
    for row, study, key, recorded in session.execute(query):
        found[study][key] = StageOverview(recorded, json.loads(texts[row]) if row in texts else None)
    return found


def _models(session: Session) -> dict[int, tuple[int, datetime]]:
    query = select(ModelRow.study_id, func.count(), func.max(ModelRow.created_at)).group_by(ModelRow.study_id)
    return {study: (count, last) for study, count, last in session.execute(query)}


def _running(session: Session, living: Collection[int]) -> dict[int, int]:
    if not living:
        return {}
    query = (
        select(ClaimRow.study_id, func.count())
        .where(ClaimRow.state == ClaimState.RUNNING, ClaimRow.worker_id.in_(list(living)))
        .group_by(ClaimRow.study_id)
    )
    return dict(session.execute(query).all())
