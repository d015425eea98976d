"""From what the user names to encoded data: open, infer, split, encode."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from autofi.core.memmap import memory_limit, scratch_folder
from autofi.data.config import DEFAULT_SPLIT, READING, DataConfig
from autofi.data.dataset import EncodedDataset
from autofi.data.encode import encode
from autofi.data.planted import planted_from_name
from autofi.data.schema_inference import InferredSchema, infer_schema
from autofi.data.schema_overrides import SchemaOverrides
from autofi.data.split import SplitSpec
from autofi.errors import ConfigError, DataError
from autofi.readers import Table, is_delimited, open_table


def open_source(
    source: Any,
    *,
    query: str | None = None,
    header: bool | None = None,
    delimiter: str | None = None,
    names: Sequence[str] = (),
) -> Table:
    """Anything `open_table` reads, and generated data by name: `planted`, `planted:seed=3,rows=50000`."""
    if isinstance(source, str) and source.partition(":")[0] == "planted":
        source = planted_from_name(source).table
    return open_table(source, query=query, header=header, delimiter=delimiter, names=names)


def source_name(source: Any) -> str | None:
    """What the study remembers of the source: None for a table in memory, which only its owner can open again."""
    if isinstance(source, Path):
        return str(source)
    return source if isinstance(source, str) else None


def inspect_table(
    source: Any,
    *,
    target: str | None = None,
    overrides: SchemaOverrides | None = None,
    query: str | None = None,
    header: bool | None = None,
    delimiter: str | None = None,
) -> InferredSchema:
    """The schema AutoFI would search with, and what every column looks like; nothing is kept.

    `header` and `delimiter` (a character or `tab`) say how delimited text is divided, and win over `overrides`.
    """
    said = (overrides or SchemaOverrides()).with_text(header=header, delimiter=delimiter)
    table = open_source(source, query=query, header=said.header, delimiter=said.delimiter)
    return infer_schema(table, target=target, overrides=said)


def open_data(
    source: Any,
    settings: DataConfig,
    *,
    valid: Any = None,
    test: Any = None,
    main: SchemaOverrides | None = None,
    note: Callable[[str], None] | None = None,
) -> EncodedDataset:
    """The encoded data of a search; `note` is told what was guessed of the table.

    `main` says how the text of `source` is divided, if otherwise than that of the others. Raises `DataError` or
    `ConfigError` before any training.
    """
    overrides = settings.schema_overrides()
    text = main or overrides
    table = open_source(source, query=settings.query, header=text.header, delimiter=text.delimiter)
    if note is not None:
        for guessed in table.notes:
            note(guessed)
    inferred = infer_schema(table, target=settings.target, overrides=overrides)
    spec = SplitSpec.parse(settings.split)
    if overrides.split_column is not None:
        if settings.split != DEFAULT_SPLIT:
            raise ConfigError(
                f"A table is split once: found the split '{settings.split}' and the split column "
                f"'{overrides.split_column}'; give one."
            )
        spec = SplitSpec.parse(f"column:{overrides.split_column}")
    # The folder is gone when the arrays are filled; what they are mapped to stays as long as they do.
    with tempfile.TemporaryDirectory(prefix="autofi-", dir=scratch_folder()) as folder:
        return encode(
            table,
            inferred.schema,
            split=spec,
            valid=None if valid is None else _open_like(valid, overrides, inferred.schema.columns),
            test=None if test is None else _open_like(test, overrides, inferred.schema.columns),
            seed=settings.seed,
            directory=Path(folder),
            memory_limit=memory_limit(),
        )


def _open_like(source: Any, overrides: SchemaOverrides, names: Sequence[str]) -> Table:
    """A table of the same columns, of whatever format."""
    if not is_delimited(source):
        return open_source(source, names=names)
    return open_source(source, header=overrides.header, delimiter=overrides.delimiter, names=names)


def open_again(
    settings: DataConfig,
    *,
    study: str,
    fingerprint: str,
    source: str | None = None,
    header: bool | None = None,
    delimiter: str | None = None,
) -> EncodedDataset:
    """The data that a study was searched on, from where it was read then or from another `source` of the same rows.

    `header` and `delimiter` say how that other source is divided, where it is so otherwise.
    Raises DataError for a table in memory, for other data, and where an earlier version read the same data otherwise.
    """
    if settings.source is None and source is None:
        raise DataError(
            f"Study '{study}' was searched on a table in memory, which is gone: call retrain on the Study that "
            "autofi.search returned, or search a file."
        )
    place = source or settings.source
    text = (
        SchemaOverrides() if source is not None and not is_delimited(source) else settings.schema_overrides()
    )
    main = text.with_text(header=header, delimiter=delimiter)
    dataset = open_data(place, settings, valid=settings.valid, test=settings.test, main=main)
    if dataset.fingerprint != fingerprint and settings.reading != READING:
        raise DataError(
            f"Study '{study}' was searched by an earlier version of AutoFI, which read and split tables otherwise: its "
            "bundles and report stay usable; search again under another name to retrain."
        )
    if dataset.fingerprint != fingerprint:
        raise DataError(
            f"Study '{study}' needs the data it was searched on: '{place}' has the fingerprint "
            f"{dataset.fingerprint[:12]}, the study {fingerprint[:12]}; restore the data."
        )
    return dataset
