"""Loading of data: open a source, infer its schema, split and encode it."""

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
    """Return the table of a source of `open_table`, or of generated data: `planted`, `planted:seed=3,rows=50000`."""
    if isinstance(source, str) and source.partition(":")[0] == "planted":
        source = planted_from_name(source).table
    return open_table(source, query=query, header=header, delimiter=delimiter, names=names)


def source_name(source: Any) -> str | None:
    """Return the source as a study stores it; None for a table in memory, which only its owner can open again."""
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
    """Return the schema that a search would use, and a summary of every column; nothing is stored.

    Args:
        source: A file, folder, glob, database URL, or a table in memory.
        target: The target column; None looks for one by name.
        overrides: Uses and kinds of columns that win over the inferred ones.
        query: The SQL query of a database URL.
        header: True if the first row of delimited text holds the names; wins over `overrides`.
        delimiter: The character between cells, or `tab`; wins over `overrides`.

    Raises:
        DataError: The table cannot be read or learned from.
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
    """Return the encoded data of a search.

    Args:
        source: The table.
        settings: Settings of the search.
        valid: A separate table of validation rows.
        test: A separate table of test rows.
        main: Header and delimiter of `source`, if they differ from those of the other tables.
        note: Called with every remark about guesses, such as that of a header.

    Raises:
        DataError: A table cannot be read or learned from.
        ConfigError: The split is not valid.
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
                f"Both the split '{settings.split}' and the split column '{overrides.split_column}' are given; give "
                "one of them."
            )
        spec = SplitSpec.parse(f"column:{overrides.split_column}")
    # The folder is deleted once the arrays are filled; their mapped files live as long as the arrays.
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
    """Return a table with the columns of the main one, in any format."""
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
    """Return the data that a study was searched on.

    Args:
        settings: Stored settings of the search.
        study: Name of the study.
        fingerprint: Fingerprint of its data.
        source: Another source of the same rows; by default the stored one.
        header: True if the first row of that source holds the names, if it differs from the stored setting.
        delimiter: The character between cells of that source, if it differs from the stored setting.

    Raises:
        DataError: The study was searched on a table in memory, the data are others, or an earlier version read them in
            another way.
    """
    if settings.source is None and source is None:
        raise DataError(
            f"Study '{study}' was searched on a table in memory, which is gone; call retrain on the Study that "
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
            f"Study '{study}' was searched by an earlier version of AutoFI, which read and split tables in another "
            "way; its bundles and report stay usable, but search again under another name to retrain."
        )
    if dataset.fingerprint != fingerprint:
        raise DataError(
            f"'{place}' has the fingerprint {dataset.fingerprint[:12]}, and study '{study}' was searched on data with "
            f"{fingerprint[:12]}; restore the data."
        )
    return dataset
