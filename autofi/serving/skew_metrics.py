"""The comparison of scored rows with those of training: counts for Prometheus, and lines in the log."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator

import pyarrow as pa
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from autofi.bundle.skew import FieldSkew, Skew, SkewCounts
from autofi.core.one_line import one_line

#: Rows are counted in groups of at least this size, because every call of Arrow has a cost.
ROWS_AT_ONCE = 128
#: The least number of compared rows for a line in the log, and the seconds until a field is logged again.
FEWEST_LOGGED = 100
SECONDS_BETWEEN_LINES = 3600.0

# Uvicorn's logger, so that --log-level applies and lines look alike.
_log = logging.getLogger("uvicorn.error")


class SkewMonitor(Collector):
    """The `SkewCounts` of all scored rows; rows are added from one thread, and the metrics read from any."""

    def __init__(self, counts: SkewCounts, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._counts = counts
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: list[pa.Table] = []
        self._logged_to = counts.snapshot()
        self._told_at: dict[str, float] = {}

    def add(self, table: pa.Table) -> None:
        """Count scored rows, as soon as there are enough."""
        if not table.num_rows:
            return
        with self._lock:
            self._waiting.append(table)
            if sum(waiting.num_rows for waiting in self._waiting) >= ROWS_AT_ONCE:
                self._count()

    def skew(self) -> Skew:
        """Return the comparison of all rows so far."""
        with self._lock:
            self._count()
            return self._counts.skew("requests")

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics when Prometheus asks for them."""
        found = self.skew()
        rows = CounterMetricFamily("autofi_compared_rows", "Rows that were compared with those of training.")
        rows.add_metric([], found.counted)
        values = CounterMetricFamily(
            "autofi_values",
            "Values of the compared rows: seen, unseen (not in training rows), missing, out_of_range (beyond "
            "the numbers "
            "of training rows).",
            labels=("field", "state"),
        )
        expected = GaugeMetricFamily(
            "autofi_training_share",
            "The expected share of rows without the field, and of unseen values, as measured at training.",
            labels=("field", "state"),
        )
        for field in found.fields:
            for state, count in _states(field).items():
                values.add_metric([field.name, state], count)
            for state, share in (("missing", field.expected.missing), ("unseen", field.expected.unseen)):
                if share is not None:
                    expected.add_metric([field.name, state], share.value)
        yield from (rows, values, expected)

    def _count(self) -> None:
        if not self._waiting:
            return
        (batch,) = pa.concat_tables(self._waiting).combine_chunks().to_batches()
        self._waiting.clear()
        if self._counts.add(batch):
            self._log()

    def _log(self) -> None:
        """Log a line per field that is far off in the rows since the last check, at most once an hour per field."""
        found = self._counts.skew("the requests", since=self._logged_to)
        if found.counted < FEWEST_LOGGED:
            return
        self._logged_to = self._counts.snapshot()
        now = self._clock()
        for name, told in found.told.items():
            if now - self._told_at.get(name, -SECONDS_BETWEEN_LINES) >= SECONDS_BETWEEN_LINES:
                self._told_at[name] = now
                line = f"{name}: {' and '.join(told)} (of the last {found.counted} rows compared)"
                _log.warning("%s", one_line(line))


def _states(field: FieldSkew) -> dict[str, int]:
    unseen, outside = field.unseen, field.outside
    if unseen is not None:
        seen = {"seen": unseen.of - unseen.count, "unseen": unseen.count}
    elif outside is not None:
        seen = {"seen": outside.of - outside.count, "out_of_range": outside.count}
    else:
        seen = {}
    return seen | {"missing": field.missing.count}
