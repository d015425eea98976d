"""Click probabilities of raw rows from a loaded bundle, whatever runs it."""

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
    """Scores raw rows of anything that `open_table` reads: files, folders, SQL, pandas, Polars or Arrow.

    Rows are read and scored in batches, so that only the results grow with the table. Columns are found by name;
    values that training did not have, missing values and further columns are fine.
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
        """Let scoring some thousand rows take no longer, where what runs the model can be stopped (ONNX Runtime)."""
        if isinstance(self._scorer, Stoppable):
            self._scorer.most_seconds = seconds

    @property
    def schema(self) -> Schema:
        """The columns it reads: a field that the model makes no use of is not among them."""
        return self._schema

    @property
    def architecture(self) -> Architecture:
        """What the search chose; needs torch."""
        with extras_named():
            from autofi.space.architecture import Architecture

        return Architecture.from_json(self._architecture)

    @property
    def architecture_id(self) -> str:
        """What its study calls the architecture."""
        return architecture_id(self._architecture)

    @property
    def metrics(self) -> dict[str, object]:
        """What was measured when it was made."""
        return dict(self._metrics)

    @property
    def origin(self) -> dict[str, object]:
        """Where it came from: study, data fingerprint, versions."""
        return dict(self._origin)

    def costs(self) -> dict[str, float]:
        """`parameters`, `table_bytes`, `flops` and `latency` (microseconds), as a search measures them: of the bundle's
        network in torch, whatever scores rows here. Takes a second, or four on a busy machine. See
        `autofi.evaluation.cost`; needs torch."""
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
        """Return the probability of a click in every row, float64 [N], in the order of the rows.

        Rows that are far from those of training are told by one SkewWarning, and by `skew`. `header` and `delimiter`
        (a character or `tab`) say how delimited text is divided, here and in what follows; a first row that holds the
        names of the fields is known for the header anyway.
        """
        opened = open_rows(table, self.schema, query=query, header=header, delimiter=delimiter)
        counts = self.skew_counts()
        parts = [
            probabilities for _, probabilities in self._scored(opened, self.schema.names, progress, counts)
        ]
        self._tell(counts, opened)
        return np.concatenate([np.empty(0), *parts])

    def skew(self) -> Skew | None:
        """How far the table that was scored last is from training, field by field, and what the warning said.

        None before any was, and where an earlier version exported the bundle, which does not say what training saw.
        """
        return self._skew

    def skew_counts(self) -> SkewCounts | None:
        """What counts rows against training, for a caller that scores by `probabilities`; None as in `skew`."""
        return None if self._profile is None else SkewCounts(self._profile, self._schema)

    def probabilities(self, table: pa.Table) -> Floats:
        """`predict_proba` of an Arrow table for a caller that counts by itself: nothing is compared or warned of."""
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
        """`rows`, `auc` and `logloss` on rows that carry the target.

        Rows weigh as they did in the study: where it had a column of weights the table has it, too, and `weights` says
        its name. With `unweighted` every row counts once. Rows that are far from those of training are told as by
        `predict_proba`.

        Holds 9 bytes per row, with weights 13. Raises DataError without the target or the weights, or where the rows
        have one class only.
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
        """Write a `probability` per row as CSV or Parquet, by the ending of `output`; returns the rows.

        An existing output is replaced once the new one is complete. Raises DataError, before any work, for
        another ending, a missing folder, or an output that is also the source.
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
        """Keep what was counted, and warn of what is far off."""
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
        """Raw batches of `columns` with their probabilities."""
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
