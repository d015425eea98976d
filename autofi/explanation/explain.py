"""The explainer of raw rows."""

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

#: The most explanations that are held at once.
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
    """Explain the probabilities of the first rows of a table.

    Args:
        model: A bundle or its folder; it needs the form torch.
        table: Anything that a predictor scores.
        query: SQL of the rows, for a database.
        header: Whether delimited text has a header; None finds it.
        delimiter: The delimiter of delimited text; None finds it.
        rows: The number of rows; None for all.
        progress: Shows the progress; silent by default.

    Raises:
        ExportError: The folder is not a bundle with the form torch.
        DataError: The rows cannot be scored.
        ConfigError: `rows` is less than 1.
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
    """Yield the explanations that `explain` returns, so that only a few are held at once.

    Errors in the arguments are raised at once, before the first explanation.
    """
    if rows is not None and rows < 1:
        raise ConfigError(f"rows={rows} is less than one row to explain; ask for 1 or more.")
    explainer = Explainer(model if isinstance(model, Bundle) else load_explained(model))
    opened = open_rows(table, explainer.schema, query=query, header=header, delimiter=delimiter)
    return explainer.each(opened, rows=rows, progress=progress or SilentProgress())


def load_explained(path: Path | str) -> Bundle:
    """Return the bundle in a folder; raise ExportError unless it is unchanged and has the form torch."""
    folder = existing_bundle(path)
    manifest = read_manifest(folder)
    if WEIGHTS not in manifest.files:
        raise ExportError(
            f"'{folder}' has no '{WEIGHTS}', which explanations need; export it with --format torch."
        )
    manifest.verify(folder)
    return read_bundle(folder, manifest)


class Explainer:
    """The explainer of raw rows by one bundle, on the CPU."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        #: The columns that are read; a field that the model does not use is not among them.
        self.schema = read_schema_of(bundle)

    def each(self, table: Table, *, rows: int | None, progress: Progress) -> Iterator[Explanation]:
        """Yield the explanations of the first `rows` rows, or of all."""
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
        """Return explanations of a batch of raw rows; `source` and `first_row` (from 0) are for errors and numbers."""
        if not batch.num_rows:
            return []
        encoder = self._bundle.builder.encoder
        columns = with_unread(batch, encoder.schema.names)
        rows = encoder.transform_batch(columns, source=source, first_row=first_row)
        told = ExplainedRows(self._bundle, self.schema.fields, batch, rows)
        return [told.explanation(row, number=first_row + row + 1) for row in range(batch.num_rows)]
