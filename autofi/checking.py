"""The checks of data: of a table before a search, and of a study's, made once and kept in the study."""

from __future__ import annotations

from typing import Any

from autofi.data.checks.checks import DataChecks, check_data
from autofi.data.dataset import EncodedDataset
from autofi.data.overrides import SchemaOverrides
from autofi.opening import open_data, source_name
from autofi.progress import Progress, SilentProgress
from autofi.settings import DEFAULT_SPLIT, SearchSettings
from autofi.store import StudyHandle

#: The stage that keeps them.
DATA = "data"


def check_table(
    source: Any,
    *,
    target: str | None = None,
    overrides: SchemaOverrides | None = None,
    split: str | None = None,
    valid: Any = None,
    test: Any = None,
    query: str | None = None,
    header: bool | None = None,
    delimiter: str | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> DataChecks:
    """What a search with the same arguments would warn of; nothing is trained and nothing is kept.

    Costs the reading of the table, then some 5 ms a pair of fields. Raises `DataError` or `ConfigError` as a search
    does. Labels of test rows are not read.
    """
    progress = progress or SilentProgress()
    settings = SearchSettings(
        source=source_name(source),
        target=target,
        query=query,
        split=split or DEFAULT_SPLIT,
        overrides=(overrides or SchemaOverrides()).with_text(header=header, delimiter=delimiter).to_json(),
        seed=seed,
    )
    progress.phase("encode")
    dataset = open_data(source, settings, valid=valid, test=test, note=progress.note)
    progress.phase("check")
    return check_data(dataset, seed=seed)


def check_once(handle: StudyHandle, dataset: EncodedDataset, *, seed: int) -> DataChecks:
    """The checks of the study's data, made where the study has none yet."""
    kept = load_checks(handle)
    if kept is None:
        kept = check_data(dataset, seed=seed)
        handle.record_stage(DATA, kept.to_json())
    return kept


def load_checks(handle: StudyHandle) -> DataChecks | None:
    """The checks that a study keeps; None where it was searched by a version without them."""
    kept = handle.stage(DATA)
    return None if kept is None else DataChecks.from_json(kept)
