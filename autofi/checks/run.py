"""All checks of encoded data, with a summary."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from pydantic import TypeAdapter

from autofi.checks.data_summary import DataSummary, describe_data
from autofi.checks.drift import Drift, check_drift, measure_drift
from autofi.checks.leaky_crosses import check_pairs, chosen_pairs
from autofi.checks.leaky_fields import check_fields
from autofi.checks.sample import SampledRows
from autofi.checks.warning import DataWarning
from autofi.data.dataset import EncodedDataset


@dataclass(frozen=True)
class DataChecks:
    """The results of all checks.

    Attributes:
        summary: Summary of the data.
        warnings: Warnings, the gravest kind first: single fields, then pairs, then drift.
        drifts: Drift of every field and held-out part, with or without a warning.
        rows_read: Number of sampled rows by part.
        pairs_read: Number of pairs of fields that were checked.
        pairs: Number of all pairs of fields.
        seconds: Duration of the checks.
    """

    summary: DataSummary
    warnings: tuple[DataWarning, ...]
    drifts: tuple[Drift, ...]
    rows_read: dict[str, int]
    pairs_read: int
    pairs: int
    seconds: float

    @property
    def looked_at(self) -> str:
        """A sentence about the rows and pairs that the checks have read."""
        rows = ", ".join(f"{number:,} {part}" for part, number in self.rows_read.items())
        return (
            f"Looked at: {rows} rows, and {self.pairs_read:,} of {self.pairs:,} pairs; for single fields that reveal "
            "the click almost alone, for pairs whose crosses are of one class, for drift. Labels of test rows were "
            "not read."
        )

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, payload: Mapping[str, Any]) -> Self:
        """Return the checks that `to_json` gave, also after a round trip through JSON."""
        return TypeAdapter(cls).validate_python(payload)


def check_data(dataset: EncodedDataset, *, seed: int = 0) -> DataChecks:
    """Return the checks of a bounded sample of the rows; labels of test rows are not read.

    The cost is about 5 ms per pair of fields, and at most a second besides.
    """
    begun = time.perf_counter()
    sample = SampledRows.of(dataset, seed=seed)
    alone = check_fields(sample)
    pairs = chosen_pairs(sample, [name for warning in alone for name in warning.fields])
    drifts = measure_drift(sample, seed=seed)
    apart = dataset.apart_names or []
    return DataChecks(
        summary=describe_data(dataset, sample),
        warnings=(
            *alone,
            *check_pairs(sample, pairs),
            *check_drift(drifts, apart if len(apart) == 1 else ()),
        ),
        drifts=drifts,
        rows_read=sample.rows,
        pairs_read=len(pairs),
        pairs=math.comb(len(sample.names), 2),
        seconds=time.perf_counter() - begun,
    )
