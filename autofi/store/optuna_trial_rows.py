"""Rows of trials in Optuna's tables, by Optuna's models: a trial is begun, and is ended, in one transaction.

Optuna's own storage takes one for every attribute, and two queries for every parameter: with twelve parameters and as
many attributes that is most of what a trial costs, and who reads between them reads half a trial. The database has
exactly the revision of Optuna's schema that these models describe (`database.Database` refuses any other).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    check_distribution_compatibility,
    distribution_to_json,
    json_to_distribution,
)
from optuna.storages._rdb.models import (
    StudyModel,
    TrialModel,
    TrialParamModel,
    TrialSystemAttributeModel,
    TrialUserAttributeModel,
    TrialValueModel,
)
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

#: An attribute's table; both have the same columns.
_Attributes = type[TrialUserAttributeModel] | type[TrialSystemAttributeModel]


class TrialRows:
    """The rows of one study of Optuna's, whose id is `study_id`."""

    def __init__(self, study_id: int) -> None:
        self._study_id = study_id
        #: What the study's first trial with a parameter says of it: later ones must be compatible.
        self._first: dict[str, BaseDistribution] = {}

    def lock(self, session: Session) -> None:
        """Keep everybody else from beginning a trial of the study until the transaction ends, as Optuna does."""
        StudyModel.find_or_raise_by_id(self._study_id, session, for_update=True)

    def begin(self, session: Session, trial: FrozenTrial) -> int:
        """Number of a new RUNNING trial like `trial`, under `lock`.

        Raises ValueError for a parameter that earlier trials have with other choices.
        """
        parameters = [self._parameter(session, trial, name) for name in trial.params]
        earlier = select(func.count()).select_from(TrialModel).where(TrialModel.study_id == self._study_id)
        number: int = session.scalar(earlier) or 0
        row: Any = TrialModel(
            study_id=self._study_id,
            number=number,
            state=TrialState.RUNNING,
            datetime_start=trial.datetime_start,
        )
        session.add(row)
        session.flush()
        _insert(session, TrialParamModel, row.trial_id, parameters)
        _insert(session, TrialUserAttributeModel, row.trial_id, _as_json(trial.user_attrs))
        return number

    def end(
        self,
        session: Session,
        number: int,
        state: TrialState,
        *,
        values: Sequence[float],
        attrs: Mapping[str, Any],
        system: Mapping[str, Any],
    ) -> bool:
        """Give a RUNNING trial its last state and all that was found; False, and nothing done, if it is not RUNNING."""
        # By its key: a lock by its number would keep others from ending theirs on MySQL.
        trial_id: int | None = session.scalar(
            select(TrialModel.trial_id).where(
                TrialModel.study_id == self._study_id, TrialModel.number == number
            )
        )
        if trial_id is None:
            return False
        trial = TrialModel.find_or_raise_by_id(trial_id, session, for_update=True)
        if trial.state != TrialState.RUNNING:
            return False
        trial.state, trial.datetime_complete = state, datetime.now()
        _replace(session, TrialUserAttributeModel, trial_id, attrs)
        _replace(session, TrialSystemAttributeModel, trial_id, system)
        rows = []
        for objective, value in enumerate(values):
            stored, kind = TrialValueModel.value_to_stored_repr(value)
            rows.append({"objective": objective, "value": stored, "value_type": kind})
        _insert(session, TrialValueModel, trial_id, rows)
        return True

    def _parameter(self, session: Session, trial: FrozenTrial, name: str) -> dict[str, Any]:
        distribution = trial.distributions[name]
        first = self._first.get(name)
        if first is None:
            query = (
                select(TrialParamModel.distribution_json)
                .join(TrialModel)
                .where(TrialModel.study_id == self._study_id, TrialParamModel.param_name == name)
                .limit(1)
            )
            if (known := session.scalar(query)) is not None:
                first = self._first[name] = json_to_distribution(known)
        if first is not None:
            check_distribution_compatibility(first, distribution)
        return {
            "param_name": name,
            "param_value": distribution.to_internal_repr(trial.params[name]),
            "distribution_json": distribution_to_json(distribution),
        }


def _as_json(attrs: Mapping[str, Any]) -> list[dict[str, str]]:
    return [{"key": key, "value_json": json.dumps(value)} for key, value in attrs.items()]


def _insert(session: Session, model: type[Any], trial_id: int, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        session.execute(insert(model.__table__), [{"trial_id": trial_id, **row} for row in rows])


def _replace(session: Session, model: _Attributes, trial_id: int, attrs: Mapping[str, Any]) -> None:
    """Add attributes; those that other programs have given the trial under the same keys become these."""
    if not attrs:
        return
    known = set(
        session.scalars(select(model.key).where(model.trial_id == trial_id, model.key.in_(list(attrs))))
    )
    for row in _as_json({key: attrs[key] for key in known}):
        session.execute(
            update(model.__table__)
            .where(model.trial_id == trial_id, model.key == row["key"])
            .values(value_json=row["value_json"])
        )
    _insert(
        session,
        model,
        trial_id,
        _as_json({key: value for key, value in attrs.items() if key not in known}),
    )
