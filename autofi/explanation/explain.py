"""Raw rows to explanations."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import torch

from autofi.bundle.bundle import Bundle, read_bundle
from autofi.bundle.files import WEIGHTS, existing_bundle
from autofi.bundle.manifest import read_manifest
from autofi.bundle.network_inputs import read_schema_of
from autofi.bundle.raw_rows import open_rows, with_unread
from autofi.core.progress import Progress, SilentProgress
from autofi.data.encoder import large_batches
from autofi.errors import ConfigError, ExportError
from autofi.explanation.explanation import Explanation
from autofi.explanation.rows import ExplainedRows
from autofi.readers import Source, Table

#: Rows whose explanations are held at once where all are written.
ROWS_AT_ONCE = 256


def explain(
    model: Bundle | Path | str,
    table: Source,
    *,
    query: str | None = None,
    header: bool | None = None,
    delimiter: str | None = None,
    rows: int | None = 10,
    progress: Progress | None = None,
) -> list[Explanation]:
    """Why the first rows of a table, or all (`rows` None), get their probabilities.

    `model` is a bundle or the folder of one, with the form torch; `table` is anything a predictor scores. Raises
    ExportError for another bundle, DataError for rows that cannot be scored, ConfigError for less than one row.
    """
    return list(
        explanations(
            model, table, query=query, header=header, delimiter=delimiter, rows=rows, progress=progress
        )
    )


def explanations(
    model: Bundle | Path | str,
    table: Source,
    *,
    query: str | None = None,
    header: bool | None = None,
    delimiter: str | None = None,
    rows: int | None = None,
    progress: Progress | None = None,
) -> Iterator[Explanation]:
    """As `explain`, one after the other, so that only a few are held; what is refused is refused at once."""
    if rows is not None and rows < 1:
        raise ConfigError(f"At least one row is explained: found rows={rows}; ask for 1 or more.")
    explainer = Explainer(model if isinstance(model, Bundle) else load_explained(model))
    opened = open_rows(table, explainer.schema, query=query, header=header, delimiter=delimiter)
    return explainer.each(opened, rows=rows, progress=progress or SilentProgress())


def load_explained(path: Path | str) -> Bundle:
    """Return the bundle in a folder; raises ExportError unless it is whole and has the form torch."""
    folder = existing_bundle(path)
    manifest = read_manifest(folder)
    if WEIGHTS not in manifest.files:
        raise ExportError(
            f"A bundle is explained in the form torch: '{folder}' has no '{WEIGHTS}'; export it with --format torch."
        )
    manifest.verify(folder)
    return read_bundle(folder, manifest)


class Explainer:
    """Explains raw rows by one bundle, on the CPU."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        #: The columns that are read: a field that the model makes no use of is not among them.
        self.schema = read_schema_of(bundle)

    def each(self, table: Table, *, rows: int | None, progress: Progress) -> Iterator[Explanation]:
        """The explanations of the first rows, or of all."""
        progress.phase("explain rows", total=rows)
        first = 0
        for batch in large_batches(table, self.schema.names):
            for start in range(0, batch.num_rows, ROWS_AT_ONCE):
                left = ROWS_AT_ONCE if rows is None else min(ROWS_AT_ONCE, rows - first)
                few = batch.slice(start, left)
                yield from self.of_batch(few, source=table.name, first_row=first)
                first += few.num_rows
                progress.advance(few.num_rows)
                if first == rows:
                    return

    @torch.inference_mode()
    def of_batch(
        self, batch: pa.RecordBatch, *, source: str = "the rows given", first_row: int = 0
    ) -> list[Explanation]:
        """Explanations of a batch of raw rows; `source` and `first_row` (from 0) are for errors and row numbers."""
        if not batch.num_rows:
            return []
        encoder = self._bundle.builder.encoder
        columns = with_unread(batch, encoder.schema.names)
        rows = encoder.transform_batch(columns, source=source, first_row=first_row)
        told = ExplainedRows(self._bundle, self.schema.fields, batch, rows)
        return [told.explanation(row, number=first_row + row + 1) for row in range(batch.num_rows)]
