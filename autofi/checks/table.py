"""Data checks of a table."""

from __future__ import annotations

from typing import Any

from autofi.checks.run import DataChecks, check_data
from autofi.core.progress import Progress, SilentProgress
from autofi.data.config import DEFAULT_SPLIT, DataConfig
from autofi.data.load import open_data, source_name
from autofi.data.schema_overrides import SchemaOverrides


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
    settings = DataConfig(
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
