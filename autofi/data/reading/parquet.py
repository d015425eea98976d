"""Parquet files as one table with the types they have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet

from autofi.data.reading.table import LARGE_BATCH_ROWS, Table, check_distinct, no_rows
from autofi.errors import DataError


class ParquetTable(Table):
    """A Parquet file, a folder of them (also with hive partitions, `day=1/part.parquet`), or several files.

    `root` is the folder under which the names of sub-folders are partitions. All files must hold the columns
    of the first. The rows come in the order of `paths`.
    """

    def __init__(self, paths: Sequence[Path], *, name: str, root: Path | None = None) -> None:
        for path in paths:
            _check_file(path)
        self._dataset = _dataset(paths, name, root)
        super().__init__(name, self._dataset.schema.names)
        if self._dataset.count_rows() == 0:
            raise no_rows(name)

    def _read(self, columns: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
        # Every batch brings the whole dictionary of its text columns, so that few large ones are quicker.
        # Arrow reads ahead 16 batches of 4 files unless told; two are enough to keep decoding busy.
        batches = self._dataset.to_batches(
            columns=list(columns), batch_size=LARGE_BATCH_ROWS, batch_readahead=2, fragment_readahead=1
        )
        try:
            yield from batches
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{self.name} cannot be read: {_one_line(error)}; write it anew.") from None


def _dataset(paths: Sequence[Path], name: str, root: Path | None) -> pa.dataset.Dataset:
    try:
        # Text is stored as codes of a dictionary: read as that, each distinct text is looked at once.
        first = pa.parquet.ParquetFile(paths[0]).schema_arrow
        texts = [field.name for field in first if pa.types.is_string(field.type)]
        options = pa.dataset.ParquetReadOptions(dictionary_columns=texts)
        return pa.dataset.dataset(
            [str(path) for path in paths],
            format=pa.dataset.ParquetFileFormat(read_options=options),
            partitioning="hive",
            partition_base_dir=str(root) if root is not None else None,
        )
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{name} cannot be read as Parquet: {_one_line(error)}; write it anew.") from None


def _check_file(path: Path) -> None:
    if path.stat().st_size == 0:
        raise no_rows(str(path))
    try:
        names = pa.parquet.ParquetFile(path).schema_arrow.names
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"A file ending in {path.suffix} holds Parquet: {path} does not ({_one_line(error)}); "
            "rename it after what it holds."
        ) from None
    check_distinct(names, str(path))


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
