"""A summary of encoded data: numbers of its rows and fields."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autofi.checks.sample import SampledRows
from autofi.data.dataset import EncodedDataset
from autofi.data.encoder import FieldEncoder
from autofi.data.vocabulary import FIRST_VALUE, MISSING, Vocabulary

#: Most characters of a value in the summary.
MOST_CHARACTERS = 60


@dataclass(frozen=True)
class PartSummary:
    """The rows and the click rate of a part; that of test rows is not read."""

    rows: int
    click_rate: float | None


@dataclass(frozen=True)
class FieldSummary:
    """One field in the training rows.

    Attributes:
        name: Name of the field.
        kind: Kind of the field.
        distinct: Number of values without missing ones; for a numeric field, of buckets.
        bucketed: True if `distinct` counts buckets.
        missing: Share of training rows without a value.
        top_share: Share of training rows with the most frequent value or bucket.
        top_value: The most frequent value as text; None for a bucket.
        unseen_valid: Share of validation rows whose value no training row has; None without such rows.
        unseen_test: Share of test rows whose value no training row has; None without such rows.
    """

    name: str
    kind: str
    distinct: int
    bucketed: bool
    missing: float
    top_share: float
    top_value: str | None
    unseen_valid: float | None
    unseen_test: float | None


@dataclass(frozen=True)
class DataSummary:
    """A summary of the data of a study: `parts` by name, fields in the order of the data."""

    parts: dict[str, PartSummary]
    fields: tuple[FieldSummary, ...]


def describe_data(dataset: EncodedDataset, sample: SampledRows) -> DataSummary:
    """Return a summary of a dataset; counts are those of all training rows, unseen shares those of the sample."""
    return DataSummary(
        parts={
            part: PartSummary(
                rows=bounds.stop - bounds.start,
                click_rate=None
                if part == "test" or bounds.stop == bounds.start
                else float(dataset.labels[bounds].mean(dtype=np.float64)),
            )
            for part, bounds in dataset.parts.items()
        },
        fields=tuple(
            _described(encoder, *(_share(sample, part, field) for part in ("valid", "test")))
            for field, encoder in enumerate(dataset.encoder.fields)
        ),
    )


def _share(sample: SampledRows, part: str, field: int) -> float | None:
    return float(sample.unseen[part][field]) if part in sample.unseen else None


def _described(encoder: FieldEncoder, unseen_valid: float | None, unseen_test: float | None) -> FieldSummary:
    rows = max(int(encoder.counts.sum()), 1)
    counts = encoder.counts[FIRST_VALUE:]
    top = int(np.argmax(counts)) if len(counts) else None
    value = None
    if top is not None and isinstance(encoder.codes, Vocabulary):
        value = str(encoder.codes.values[top].as_py())[:MOST_CHARACTERS]
    return FieldSummary(
        name=encoder.field.name,
        kind=encoder.field.kind.value,
        distinct=int((counts > 0).sum()),
        bucketed=not isinstance(encoder.codes, Vocabulary),
        missing=float(encoder.counts[MISSING]) / rows,
        top_share=0.0 if top is None else float(counts[top]) / rows,
        top_value=value,
        unseen_valid=unseen_valid,
        unseen_test=unseen_test,
    )
