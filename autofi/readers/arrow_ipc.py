"""Tables from Arrow IPC files and streams, and from Feather files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather
import pyarrow.ipc

from autofi.errors import DataError
from autofi.readers.plain_types import batch_to_plain_types
from autofi.readers.table import Table, check_distinct, no_rows

_FILE = b"ARROW1"
_OLD_FEATHER = b"FEA1"


class IpcTable(Table):
    """A file of Arrow's IPC format, with or without footer, or of either version of Feather; compressed or not."""

    def __init__(self, path: Path) -> None:
        if path.stat().st_size == 0:
            raise no_rows(str(path))
        self._path = path
        with self._opened() as reader:
            schema = reader.schema
            rows = any(batch.num_rows for batch in _batches(reader))
        check_distinct(schema.names, str(path))
        super().__init__(str(path), schema.names)
        self.types = dict(zip(schema.names, schema.types, strict=True))
        if not rows:
            raise no_rows(str(path))

    def _read(self, columns: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
        with self._opened() as reader:
            for batch in _batches(reader):
                batch = batch.select(list(columns))
                batch.validate(full=True)  # reading a damaged batch could crash the process
                yield batch_to_plain_types(batch)

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        """Yield a reader of the file; raise DataError if the file cannot be read."""
        try:
            with pa.memory_map(str(self._path)) as file:
                start = file.read(len(_FILE))
                file.seek(0)
                if start.startswith(_OLD_FEATHER):
                    yield pa.feather.read_table(str(self._path)).to_reader()
                else:
                    open_ = pa.ipc.open_file if start == _FILE else pa.ipc.open_stream
                    with open_(file) as reader:
                        yield reader
        except (pa.ArrowException, OSError) as error:
            reason = " ".join(str(error).split())
            raise DataError(
                f"{self._path} cannot be read as an Arrow file ({reason}); write it again, or rename it after its "
                "contents."
            ) from None


def _batches(reader: Any) -> Iterator[pa.RecordBatch]:
    if isinstance(reader, pa.ipc.RecordBatchFileReader):
        for place in range(reader.num_record_batches):
            yield reader.get_batch(place)
    else:
        yield from reader
