"""Checks of a study's data, made once and kept in the study."""

from __future__ import annotations

from autofi.checks.run import DataChecks, check_data
from autofi.data.dataset import EncodedDataset
from autofi.store import StudyHandle
from autofi.store.stage_keys import DATA


def check_once(handle: StudyHandle, dataset: EncodedDataset, *, seed: int) -> DataChecks:
    """Return the checks of the study's data, made now if the study has none yet."""
    kept = load_checks(handle)
    if kept is None:
        kept = check_data(dataset, seed=seed)
        handle.record_stage(DATA, kept.to_json())
    return kept


def load_checks(handle: StudyHandle) -> DataChecks | None:
    """Return the checks that a study keeps; None if a version without checks searched it."""
    kept = handle.stage(DATA)
    return None if kept is None else DataChecks.from_json(kept)
