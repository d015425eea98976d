"""The tables of a storage for plain SQL, without the mapped classes of Optuna and of `tables`.

SQLAlchemy's mapper takes a third of the time of a command that only lists studies.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, DateTime, Integer, String, Text, cast, column, table

from autofi.store.records import TrialState

#: Optuna's key of a trial's violations of limits.
CONSTRAINTS = "constraints"

# The parts of Optuna's schema that lists and summaries need, as loading thousands of trials takes minutes.
STUDIES = table("studies", column("study_id", Integer), column("study_name", String))
TRIALS = table(
    "trials",
    column("trial_id", Integer),
    column("study_id", Integer),
    column("state"),
    column("datetime_complete", DateTime),
)
VALUES = table("trial_values", column("trial_id", Integer), column("objective", Integer), column("value"))
USER_ATTRIBUTES, SYSTEM_ATTRIBUTES = (
    table(name, column("trial_id", Integer), column("key", String), column("value_json", Text))
    for name in ("trial_user_attributes", "trial_system_attributes")
)
#: The state of a trial; it is an enumeration type on PostgreSQL.
STATE: ColumnElement[str] = cast(TRIALS.c.state, String(16))
COMPLETE = STATE.in_((TrialState.COMPLETE.name,))

# The parts of our tables (see `tables`) that they need.
OUR_STUDIES = table(
    "autofi_study",
    column("id", Integer),
    column("name", String),
    column("created_at", DateTime),
    column("data_source", Text),
    column("space_name", String),
    column("settings", Text),
)
MODELS = table(
    "autofi_model",
    column("id", Integer),
    column("study_id", Integer),
    column("role", String),
    column("architecture_id", String),
    column("created_at", DateTime),
)
STAGES = table(
    "autofi_stage",
    column("study_id", Integer),
    column("key", String),
    column("payload", Text),
    column("created_at", DateTime),
)
