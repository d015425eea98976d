"""A file of results, such as click probabilities, that is written completely or not at all."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from autofi.core.atomic_file import atomic_path
from autofi.errors import DataError

COLUMN = "probability"
_SCHEMA = pa.schema([(COLUMN, pa.float64())])
_CSV = (".csv",)
_PARQUET = (".parquet", ".pq")


class WholeFile(ABC):
    """A context manager whose file appears under its name when the block ends (see `atomic_path`).

    Missing folders are created, and deleted again if the block ends with an error.

    Raises:
        DataError: The ending is unknown, or the output is a folder; raised before anything is written.
    """

    endings: ClassVar[tuple[str, ...]] = (*_CSV, *_PARQUET)

    def __init__(self, output: Path | str) -> None:
        output = Path(output).expanduser()
        if output.suffix.lower() not in self.endings:
            raise DataError(
                f"The output '{output}' ends in '{output.suffix}', which is not a known format; use one of "
                f"{', '.join(self.endings)}."
            )
        if output.is_dir():
            raise DataError(f"The output '{output}' is a folder; name a file in it.")
        self.output = Path(os.path.realpath(output))

    @abstractmethod
    def writer(self, place: Path) -> Any:
        """Return an object that writes a new file at `place`, in the format of the output's ending, and has `close`."""

    def __enter__(self) -> Self:
        with self._refused(), ExitStack() as opened:
            opened.enter_context(_created(self.output.parent))
            self._writer = self.writer(opened.enter_context(atomic_path(self.output)))
            opened.callback(self._writer.close)
            self._opened = opened.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._refused():
            self._opened.__exit__(kind, error, trace)

    @contextmanager
    def _refused(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = error.strerror or " ".join(str(error).split())
            raise DataError(
                f"The output '{self.output}' cannot be written: {reason}; mend that or choose another place."
            ) from error


@contextmanager
def _created(folder: Path) -> Iterator[None]:
    """Create a folder for the block; if that ends with an error, delete what was created and is empty."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        for path in missing:
            with suppress(OSError):
                path.rmdir()
        raise


class ScoreFile(WholeFile):
    """A file with one column, `probability`, as CSV or Parquet by its ending."""

    def writer(self, place: Path) -> Any:
        return table_writer(place, self.output.suffix, _SCHEMA)

    def write(self, probabilities: NDArray[np.float64]) -> None:
        """Append rows."""
        with self._refused():
            self._writer.write_batch(pa.record_batch([pa.array(probabilities)], schema=_SCHEMA))


def table_writer(place: Path, ending: str, schema: pa.Schema) -> Any:
    """Return a writer of batches of the schema, as CSV or Parquet by the ending."""
    if ending.lower() in _PARQUET:
        return pa.parquet.ParquetWriter(place, schema)
    return pa.csv.CSVWriter(place, schema, write_options=pa.csv.WriteOptions(quoting_header="none"))
