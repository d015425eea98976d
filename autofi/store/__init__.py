"""Studies in a SQL database: Optuna's tables for trials, a few of ours beside them, a folder of artifacts per study."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autofi.core.lazy_names import lazy_name

if TYPE_CHECKING:
    from autofi.store.delete_rename import Removed
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
    from autofi.store.storage_url import StorageURL, artifact_root, mask_password, resolve_storage
    from autofi.store.study_handle import StudyHandle
    from autofi.store.study_store import StudyStore, delete_study, list_studies, rename_study

_WHERE = {
    "ExportRecord": "records",
    "ModelRecord": "records",
    "ModelRole": "records",
    "Removed": "delete_rename",
    "StageOverview": "overview",
    "StorageURL": "storage_url",
    "StudyHandle": "study_handle",
    "StudyOverview": "overview",
    "StudyRecord": "records",
    "StudyStore": "study_store",
    "StudySummary": "records",
    "TrialRecord": "records",
    "TrialState": "records",
    "artifact_root": "storage_url",
    "delete_study": "study_store",
    "list_studies": "study_store",
    "mask_password": "storage_url",
    "rename_study": "study_store",
    "resolve_storage": "storage_url",
}

__all__ = [
    "ExportRecord",
    "ModelRecord",
    "ModelRole",
    "Removed",
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
    "delete_study",
    "list_studies",
    "mask_password",
    "rename_study",
    "resolve_storage",
]


def __getattr__(name: str) -> Any:
    # Imported on first use: Optuna takes a second, and a storage's URL and the names in it are read without it.
    return lazy_name(__name__, _WHERE, name)
