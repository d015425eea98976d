"""Studies in SQL: Optuna's tables for trials, a few of ours beside them, a folder of artifacts per study."""

from autofi.store.location import StorageURL, artifact_root, mask_password, resolve_storage
from autofi.store.overview import StageOverview, StudyOverview
from autofi.store.records import (
    ExportRecord,
    ModelRecord,
    ModelRole,
    StudyRecord,
    StudySummary,
    TrialRecord,
    TrialState,
)
from autofi.store.study_handle import StudyHandle
from autofi.store.study_store import StudyStore, list_studies

__all__ = [
    "ExportRecord",
    "ModelRecord",
    "ModelRole",
    "StageOverview",
    "StorageURL",
    "StudyHandle",
    "StudyOverview",
    "StudyRecord",
    "StudyStore",
    "StudySummary",
    "TrialRecord",
    "TrialState",
    "artifact_root",
    "list_studies",
    "mask_password",
    "resolve_storage",
]
