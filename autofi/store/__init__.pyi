from .delete_rename import Removed as Removed
from .overview import StageOverview as StageOverview, StudyOverview as StudyOverview
from .records import (
    ExportRecord as ExportRecord,
    KeptSummary as KeptSummary,
    ModelRecord as ModelRecord,
    ModelRole as ModelRole,
    StudyRecord as StudyRecord,
    StudySummary as StudySummary,
    TrialRecord as TrialRecord,
    TrialState as TrialState,
)
from .storage_url import (
    StorageURL as StorageURL,
    artifact_root as artifact_root,
    mask_password as mask_password,
    resolve_storage as resolve_storage,
)
from .study_handle import StudyHandle as StudyHandle
from .study_list import list_studies as list_studies
from .study_store import (
    StudyStore as StudyStore,
    delete_study as delete_study,
    rename_study as rename_study,
)
