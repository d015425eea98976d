"""Stages of a search as separate Optuna studies, such as `NAME/explore`, so that every Optuna tool shows them."""

from __future__ import annotations

import dataclasses
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.storages._rdb.models import StudyUserAttributeModel
from sqlalchemy import select
from sqlalchemy.orm import Session

from autofi.core.optuna_logging import quiet_optuna
from autofi.objectives.objectives import Direction
from autofi.store.database import Database

#: Attributes of a stage: the study it belongs to, the time of that study's creation, and the name of the stage.
OF, CREATED, STAGE = "autofi_of", "autofi_of_created", "autofi_stage"
#: The attribute of the study with the names of its stages.
STAGES = "autofi_stages"
#: The attribute of a trial that identifies its piece of work.
KEY = "key"


@dataclasses.dataclass(frozen=True)
class StageTrial:
    """A finished piece of work of a stage.

    Attributes:
        key: Identity of the work, unique in its stage.
        value: The measured value.
        params: Parameters.
        distributions: Distributions of the parameters.
        attrs: Other attributes.
        steps: Intermediate values by step.
    """

    key: str
    value: float
    params: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    distributions: Mapping[str, BaseDistribution] = dataclasses.field(default_factory=dict)
    attrs: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    steps: Mapping[int, float] = dataclasses.field(default_factory=dict)


def write_stage(
    database: Database,
    study: optuna.Study,
    stage: str,
    trials: Sequence[StageTrial],
    *,
    created: str,
    measured: str,
    direction: Direction,
    about: Mapping[str, Any],
) -> None:
    """Add the trials that a stage lacks, and link it with its study.

    A stage of an earlier study of that name, which was created at another time, is replaced.

    Args:
        database: The database.
        study: The study.
        stage: Name of the stage.
        trials: Finished work.
        created: Time of the study's creation.
        measured: Name of the values.
        direction: Direction of the values.
        about: Other attributes of the stage.
    """
    name = f"{study.study_name}/{stage}"
    storage = database.optuna
    with quiet_optuna(), database.errors():
        try:
            if optuna.load_study(study_name=name, storage=storage).user_attrs.get(CREATED) != created:
                optuna.delete_study(study_name=name, storage=storage)
        except KeyError:
            pass  # there is none yet
        linked = optuna.create_study(
            study_name=name,
            storage=storage,
            direction=direction,
            load_if_exists=True,
        )
        linked.set_metric_names([measured])
        for key, value in {OF: study.study_name, CREATED: created, STAGE: stage, **about}.items():
            linked.set_user_attr(key, value)
        known = {trial.user_attrs.get(KEY) for trial in linked.get_trials(deepcopy=False)}
        for trial in trials:
            if trial.key not in known:
                linked.add_trial(
                    optuna.trial.create_trial(
                        value=trial.value,
                        params=dict(trial.params),
                        distributions=dict(trial.distributions),
                        user_attrs={**trial.attrs, KEY: trial.key},
                        intermediate_values=dict(trial.steps),
                    )
                )
        stages = study.user_attrs.get(STAGES, {})
        if stages.get(stage) != name:
            study.set_user_attr(STAGES, {**stages, stage: name})


def linked_studies(session: Session) -> dict[tuple[str, str], dict[str, int]]:
    """Return Optuna's ids of all stages by stage, for each study, given by its name and time of creation."""
    query = select(
        StudyUserAttributeModel.study_id, StudyUserAttributeModel.key, StudyUserAttributeModel.value_json
    ).where(StudyUserAttributeModel.key.in_([OF, CREATED, STAGE]))
    attributes: dict[int, dict[str, Any]] = defaultdict(dict)
    for study, key, value in session.execute(query):
        attributes[study][key] = json.loads(value)
    found: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for study, known in attributes.items():
        # A stage that is being created at this moment does not have all of them yet.
        if {OF, CREATED, STAGE} <= known.keys():
            found[known[OF], known[CREATED]][known[STAGE]] = study
    return found
