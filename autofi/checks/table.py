"""Data checks of a table that is not encoded yet."""

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
    """Return the data checks that a search with these arguments would make; nothing is trained or stored.

    This takes the time to read the table, and then about 5 ms per pair of fields. Labels of test rows are not read.

    Raises:
        DataError: A table cannot be read or learned from.
        ConfigError: The split is not valid.
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
