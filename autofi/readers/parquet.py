"""Tables from Parquet files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet

from autofi.errors import DataError
from autofi.readers.plain_types import batch_to_plain_types
from autofi.readers.table import LARGE_BATCH_ROWS, Table, check_distinct, no_rows
from autofi.readers.unify_schemas import Part, cast_batch, common_columns, common_types


class ParquetTable(Table):
    """A Parquet file, several of them, or a folder, also with hive partitions (`day=1/part.parquet`).

    Args:
        paths: The files, in the order of their rows; columns are matched by name.
        name: The name of the whole, for messages.
        root: The folder under which the names of sub-folders are partitions.
        names: The columns that will be read; empty means all.

    Raises:
        DataError: A file lacks a column of another, or their types mean different things (see `common_types`).
    """

    def __init__(
        self, paths: Sequence[Path], *, name: str, root: Path | None = None, names: Sequence[str] = ()
    ) -> None:
        schemas = [parquet_schema(path) for path in paths]
        self._dataset = _dataset(paths, schemas, name, root)
        parts = [
            Part(str(path), tuple(schema.names), dict(zip(schema.names, schema.types, strict=True)))
            for path, schema in zip(paths, schemas, strict=True)
        ]
        held = common_columns(parts, names)
        self._types = common_types(parts, held, names)
        # Partitions are not columns of any file.
        partitions = [field for field in self._dataset.schema if field.name not in schemas[0].names]
        self._partitions = {field.name: field.type for field in partitions}
        self._alike = all(part.types == parts[0].types for part in parts)
        super().__init__(name, (*held, *self._partitions))
        self.types = {column: parts[0].types[column] for column in held} | self._partitions | self._types
        if self._dataset.count_rows() == 0:
            raise no_rows(name)

    def _read(self, columns: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
        try:
            for batch in self._batches(columns):
                yield batch_to_plain_types(cast_batch(batch, self._types))
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{self.name} cannot be read: {_one_line(error)}; write it again.") from None

    def _batches(self, columns: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
        # Every batch has the whole dictionary of its text columns, so that few large batches are faster.
        # By default Arrow reads ahead 16 batches of 4 files; two are enough to keep decoding busy.
        wanted = list(columns)
        if self._alike:
            yield from self._dataset.to_batches(
                columns=wanted, batch_size=LARGE_BATCH_ROWS, batch_readahead=2, fragment_readahead=1
            )
            return
        # Each file is read with its own types; the dataset has those of the first file.
        for fragment in self._dataset.get_fragments():
            own = fragment.physical_schema
            partitions = self._partitions
            kinds = [partitions[each] if each in partitions else own.field(each).type for each in wanted]
            schema = pa.schema(list(zip(wanted, kinds, strict=True)))
            yield from fragment.to_batches(
                schema=schema, columns=wanted, batch_size=LARGE_BATCH_ROWS, batch_readahead=2
            )


def _dataset(
    paths: Sequence[Path], schemas: Sequence[pa.Schema], name: str, root: Path | None
) -> pa.dataset.Dataset:
    # This imports pandas, which takes a second; reading only the names of columns does not need it.
    from pyarrow.dataset import ParquetFileFormat, ParquetReadOptions, dataset

    try:
        # Text is stored as codes of a dictionary, and read as such, so that each distinct text is processed once.
        texts = {field.name for schema in schemas for field in schema if pa.types.is_string(field.type)}
        options = ParquetReadOptions(dictionary_columns=texts)
        return dataset(
            [str(path) for path in paths],
            format=ParquetFileFormat(read_options=options),
            partitioning="hive",
            partition_base_dir=str(root) if root is not None else None,
        )
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{name} cannot be read as Parquet: {_one_line(error)}; write it again.") from None


def parquet_schema(path: Path) -> pa.Schema:
    """Return the columns of one file.

    Raises:
        DataError: The file is empty or not Parquet, or names a column twice.
    """
    if path.stat().st_size == 0:
        raise no_rows(str(path))
    try:
        schema = pa.parquet.ParquetFile(path).schema_arrow
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"{path} is not Parquet, as its ending says ({_one_line(error)}); rename it after its contents."
        ) from None
    check_distinct(schema.names, str(path))
    return schema


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
