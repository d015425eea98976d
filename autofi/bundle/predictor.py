"""Click probabilities of raw rows from a loaded bundle, with any runtime."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from autofi.bundle.raw_rows import check_weighted, open_labelled, open_rows, refuse_overwriting
from autofi.bundle.score_file import ScoreFile
from autofi.bundle.scorer import Floats, Scorer, Stoppable
from autofi.bundle.skew import Skew, SkewCounts, SkewWarning
from autofi.bundle.training_profile import TrainingProfile
from autofi.core.optional_dependencies import extras_named
from autofi.core.progress import Progress, SilentProgress
from autofi.data.encoder import large_batches
from autofi.data.label_columns import located, read_labels, read_weights
from autofi.data.schema import Schema
from autofi.metrics.ranking import auc, logloss
from autofi.readers import Source, Table
from autofi.space.architecture_id import architecture_id

if TYPE_CHECKING:
    from autofi.space.architecture import Architecture


class Predictor:
    """The scorer of raw rows of anything that `open_table` reads: files, folders, SQL, pandas, Polars or Arrow.

    Rows are read and scored in batches, so that only the results grow with the table. Columns are found by
    name; unseen values, missing values and additional columns are fine.
    """

    def __init__(
        self,
        scorer: Scorer,
        schema: Schema,
        *,
        architecture: Mapping[str, Any],
        metrics: Mapping[str, Any],
        origin: Mapping[str, Any],
        folder: Path,
        profile: TrainingProfile | None = None,
    ) -> None:
        self._scorer = scorer
        self._schema = schema
        self._architecture = architecture
        self._metrics = metrics
        self._origin = origin
        self._folder = folder
        self._profile = profile
        self._skew: Skew | None = None

    def stop_after(self, seconds: float) -> None:
        """Stop scoring a batch after so many seconds, where the runtime can be stopped (ONNX Runtime)."""
        if isinstance(self._scorer, Stoppable):
            self._scorer.most_seconds = seconds

    @property
    def schema(self) -> Schema:
        """The columns that are read; a field that the model does not use is not among them."""
        return self._schema

    @property
    def architecture(self) -> Architecture:
        """The architecture that the search chose; needs torch."""
        with extras_named():
            from autofi.space.architecture import Architecture

        return Architecture.from_json(self._architecture)

    @property
    def architecture_id(self) -> str:
        """The id of the architecture in its study."""
        return architecture_id(self._architecture)

    @property
    def metrics(self) -> dict[str, object]:
        """The metrics measured when the bundle was written."""
        return dict(self._metrics)

    @property
    def origin(self) -> dict[str, object]:
        """The study, the data fingerprint and the versions that the bundle comes from."""
        return dict(self._origin)

    def costs(self) -> dict[str, float]:
        """Return `parameters`, `table_bytes`, `flops` and `latency` (microseconds) as a search measures them.

        They are costs of the bundle's network in torch, whatever runtime scores rows here. Measuring needs torch
        and takes a second, or four on a busy machine. See `autofi.evaluation.cost`.
        """
        with extras_named():
            from autofi.bundle.bundle import load_bundle
            from autofi.evaluation.cost import measure_costs

        bundle = load_bundle(self._folder)
        return measure_costs(bundle.network, bundle.builder, latency=True).figures()

    def __repr__(self) -> str:
        return f"Predictor({str(self._folder)!r}: fields {', '.join(self._schema.names)})"

    def predict_proba(
        self,
        table: Source,
        *,
        query: str | None = None,
        header: bool | None = None,
        delimiter: str | None = None,
        progress: Progress | None = None,
    ) -> Floats:
        """Return the probability of a click in every row, float64 `[N]`, in the order of the rows.

        One SkewWarning, and `skew`, report rows that are far from those of training.

        Args:
            table: The rows.
            query: SQL of the rows, for a database.
            header: Whether delimited text has a header; None finds a first row that holds the names of the fields.
            delimiter: The delimiter of delimited text, a character or `tab`; None finds it.
            progress: Shows the progress; silent by default.
        """
        opened = open_rows(table, self.schema, query=query, header=header, delimiter=delimiter)
        counts = self.skew_counts()
        parts = [
            probabilities for _, probabilities in self._scored(opened, self.schema.names, progress, counts)
        ]
        self._tell(counts, opened)
        return np.concatenate([np.empty(0), *parts])

    def skew(self) -> Skew | None:
        """Return how far the last scored table is from training, field by field, with the text of the warning.

        None before a table was scored, and where the bundle is of an earlier version, which kept no training
        profile.
        """
        return self._skew

    def skew_counts(self) -> SkewCounts | None:
        """Return a counter of rows against training, for a caller that scores by `probabilities`; None as in `skew`."""
        return None if self._profile is None else SkewCounts(self._profile, self._schema)

    def probabilities(self, table: pa.Table) -> Floats:
        """Return `predict_proba` of an Arrow table without a comparison with training, for callers that count."""
        opened = open_rows(table, self.schema)
        parts = [probabilities for _, probabilities in self._scored(opened, self.schema.names, None, None)]
        return np.concatenate([np.empty(0), *parts])

    def evaluate(
        self,
        source: Source,
        *,
        query: str | None = None,
        header: bool | None = None,
        delimiter: str | None = None,
        unweighted: bool = False,
        progress: Progress | None = None,
    ) -> dict[str, Any]:
        """Return `rows`, `auc` and `logloss` on rows that carry the target.

        Rows have the weights that they had in the study: where it had a column of weights, the table needs that
        column, and `weights` in the result is its name. Rows that are far from those of training are reported as by
        `predict_proba`. Holds 9 bytes per row, with weights 13.

        Args:
            source: The rows; the other options of a table are those of `predict_proba`.
            unweighted: Count every row once.

        Raises:
            DataError: The target or the weights are missing, or the rows have one class only.
        """
        weight = None if unweighted else self.schema.weight
        opened = open_labelled(
            source, self.schema, weight=weight, query=query, header=header, delimiter=delimiter
        )
        target, counts = self.schema.target, self.skew_counts()
        columns = (*self.schema.names, target, *(() if weight is None else (weight,)))
        scores, labels, weights, rows = [np.empty(0)], [np.empty(0, dtype=bool)], [np.empty(0, np.float32)], 0
        for batch, probabilities in self._scored(opened, columns, progress, counts):
            places = range(rows, rows + batch.num_rows)
            with located(opened.name, target, places):
                labels.append(read_labels(batch.column(target), self.schema.reading(target)) > 0)
            if weight is not None:
                with located(opened.name, weight, places):
                    weights.append(read_weights(batch.column(weight), self.schema.reading(weight)))
            scores.append(probabilities)
            rows += batch.num_rows
        self._tell(counts, opened)
        clicked, predicted = np.concatenate(labels), np.concatenate(scores)
        if weight is None:
            return {"rows": rows, "auc": auc(clicked, predicted), "logloss": logloss(clicked, predicted)}
        heavy = np.concatenate(weights)
        check_weighted(heavy, clicked, weight, opened.name)
        return {
            "rows": rows,
            "weights": weight,
            "auc": auc(clicked, predicted, heavy),
            "logloss": logloss(clicked, predicted, heavy),
        }

    def predict_file(
        self,
        source: Source,
        output: Path | str,
        *,
        query: str | None = None,
        header: bool | None = None,
        delimiter: str | None = None,
        progress: Progress | None = None,
    ) -> int:
        """Write a `probability` per row as CSV or Parquet, by the ending of `output`; return the number of rows.

        An existing output is replaced once the new one is complete.

        Raises:
            DataError: The ending is unknown, the folder is missing, or the output is also the source; raised before
                any work.
        """
        file = ScoreFile(output)
        refuse_overwriting(source, file.output)
        opened = open_rows(source, self.schema, query=query, header=header, delimiter=delimiter)
        rows, counts = 0, self.skew_counts()
        with file:
            for _, probabilities in self._scored(opened, self.schema.names, progress, counts):
                file.write(probabilities)
                rows += len(probabilities)
        self._tell(counts, opened)
        return rows

    def _tell(self, counts: SkewCounts | None, table: Table) -> None:
        """Keep the counts, and warn if they are far from training."""
        self._skew = None if counts is None else counts.skew(table.name)
        if self._skew is not None and self._skew.line is not None:
            warnings.warn(SkewWarning(self._skew), stacklevel=3)

    def _scored(
        self,
        table: Table,
        columns: tuple[str, ...],
        progress: Progress | None,
        counts: SkewCounts | None,
    ) -> Iterator[tuple[pa.RecordBatch, Floats]]:
        """Yield raw batches of `columns` with their probabilities."""
        shown = progress or SilentProgress()
        shown.phase("score rows")
        first_row = 0
        for batch in large_batches(table, columns):
            parts = [np.empty(0)]
            for start in range(0, batch.num_rows, self._scorer.rows_at_once):
                few = batch.slice(start, self._scorer.rows_at_once)
                parts.append(self._scorer.probabilities(few, source=table.name, first_row=first_row + start))
                if counts is not None:
                    counts.add(few)
                shown.advance(few.num_rows)
            yield batch, np.concatenate(parts)
            first_row += batch.num_rows
