"""The summary of a study as it was when its search ended, read without trials, predictions or torch.

It is valid as long as nothing that it tells has changed since; then it has to be computed again.
"""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, func, select

from autofi import __version__
from autofi.store.plain_tables import MODELS, OUR_STUDIES, STAGES, STATE, STUDIES, TRIALS
from autofi.store.quick_read import has_known_tables, quick_read
from autofi.store.records import KeptSummary
from autofi.store.stage_keys import (
    CUT,
    DATA,
    ENSEMBLE,
    FIELDS,
    PROPOSAL,
    SECONDS,
    STOPPED,
    SUMMARY,
    TIME,
    TREES,
)
from autofi.store.storage_url import StorageURL
from autofi.store.winner_record import WINNER

#: The form of a kept summary; raise it with every change of the entries of `Study.summary` or of the leaderboard.
FORM = 2
#: The records besides trials and models that a summary tells of.
_TOLD = (CUT, DATA, ENSEMBLE, FIELDS, PROPOSAL, SECONDS, STOPPED, TIME, TREES, WINNER)


def kept_summary(name: str, url: StorageURL) -> KeptSummary | None:
    """Return the kept summary of a study; None if it has to be computed, or there is no such study."""
    return quick_read(
        url,
        lambda connection: read_summary(connection, name, url) if has_known_tables(connection) else None,
    )


def read_summary(connection: Connection, name: str, url: StorageURL) -> KeptSummary | None:
    """Return the kept summary of a study; None if there is none, or the study has changed since."""
    query = (
        select(STAGES.c.payload)
        .join(OUR_STUDIES, OUR_STUDIES.c.id == STAGES.c.study_id)
        .where(OUR_STUDIES.c.name == name, STAGES.c.key == SUMMARY)
    )
    text = connection.scalar(query)
    if text is None:
        return None
    kept: dict[str, Any] = json.loads(text)
    if kept["version"] != read_version(connection, name):
        return None
    # A study can get another name, and its database another place.
    summary = kept["summary"] | {"study": name, "storage": str(url)}
    return KeptSummary(summary, kept["leaders"], kept["trials"])


def summary_payload(version: list[Any], found: KeptSummary) -> dict[str, Any]:
    """Return the record of a summary that was computed after `version` was read."""
    return {"version": version, "summary": found.summary, "leaders": found.leaders, "trials": found.trials}


def read_version(connection: Connection, name: str) -> list[Any]:
    """Return a value in JSON that changes with everything that a summary tells."""
    study = select(OUR_STUDIES.c.id).where(OUR_STUDIES.c.name == name).scalar_subquery()
    trials = (
        select(STATE, func.count(), func.max(TRIALS.c.datetime_complete))
        .join(STUDIES, STUDIES.c.study_id == TRIALS.c.study_id)
        .where(STUDIES.c.study_name == name)
        .group_by(STATE)
    )
    models = select(func.count(), func.max(MODELS.c.id), func.max(MODELS.c.created_at)).where(
        MODELS.c.study_id == study
    )
    stages = select(STAGES.c.key, STAGES.c.created_at).where(
        STAGES.c.study_id == study, STAGES.c.key.in_(_TOLD)
    )
    read = (
        [str(cell) for cell in row] for query in (trials, models, stages) for row in connection.execute(query)
    )
    return [FORM, __version__, *sorted(read)]
