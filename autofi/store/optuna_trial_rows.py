"""Rows of trials in Optuna's tables, written by Optuna's models: one transaction begins a trial, another ends it.

Optuna's own storage needs a transaction for every attribute and two queries for every parameter. With twelve parameters
and as many attributes, that is most of the cost of a trial, and a reader in between sees half a trial. The database has
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

#: The tables of attributes, which have the same columns.
_Attributes = type[TrialUserAttributeModel] | type[TrialSystemAttributeModel]


class TrialRows:
    """The rows of one Optuna study, whose id is `study_id`."""

    def __init__(self, study_id: int) -> None:
        self._study_id = study_id
        #: Distributions of parameters in the study's first trial with them; later ones must be compatible.
        self._first: dict[str, BaseDistribution] = {}

    def lock(self, session: Session) -> None:
        """Keep other processes from beginning a trial of the study until the transaction ends, as Optuna does."""
        StudyModel.find_or_raise_by_id(self._study_id, session, for_update=True)

    def begin(self, session: Session, trial: FrozenTrial) -> int:
        """Create a RUNNING trial like `trial` under `lock`, and return its number.

        Raises:
            ValueError: Earlier trials have a parameter with other choices.
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
        """End a RUNNING trial with its last state and results; return False, and do nothing, if it is not RUNNING."""
        # The lock is by the row's key: by the trial's number, MySQL would block others that end their trials.
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
    """Add attributes to a trial; they replace those of other programs under the same keys."""
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
