"""Explanations of many rows as a file: a table of parts, or JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa

from autofi.bundle.bundle import Bundle
from autofi.bundle.raw_rows import refuse_overwriting
from autofi.bundle.score_file import WholeFile, table_writer
from autofi.core.progress import Progress
from autofi.explanation.explain import explanations
from autofi.explanation.explanation import Explanation, FieldPart, PairPart, Part, added
from autofi.readers import Source

#: A line per row and part of its sum. `part` is baseline, field, pair, cross (of three fields), trees or rest,
#: `contribution` its share of the logit, and `all` the share of a field with its pairs.
SCHEMA = pa.schema(
    [
        ("row", pa.int64()),
        ("probability", pa.float64()),
        ("logit", pa.float64()),
        ("part", pa.string()),
        ("name", pa.string()),
        ("contribution", pa.float64()),
        ("all", pa.float64()),
        ("value", pa.string()),
        ("status", pa.string()),
        ("seen", pa.int64()),
        ("rate", pa.float64()),
    ]
)
_JSON = ".json"
_ROWS_AT_ONCE = 256


def explain_file(
    model: Bundle | Path | str,
    table: Source,
    output: Path | str,
    *,
    query: str | None = None,
    header: bool | None = None,
    delimiter: str | None = None,
    rows: int | None = None,
    progress: Progress | None = None,
) -> int:
    """Explain the first rows, or all, into a CSV, Parquet or JSON file, by its ending; return the number of rows.

    JSON holds `{"explanations": [...]}`, the output of `autofi explain --json`; the others are tables of
    `SCHEMA`. An existing output is replaced once the new one is complete. Other arguments and errors are those
    of `explain`.

    Raises:
        DataError: The ending is unknown, the folder is missing, or the output is also the source; raised before
            any work.
    """
    file = ExplanationFile(output)
    refuse_overwriting(table, file.output)
    found = explanations(
        model, table, query=query, header=header, delimiter=delimiter, rows=rows, progress=progress
    )
    count = 0
    with file:
        for explanation in found:
            file.write(explanation)
            count += 1
    return count


class ExplanationFile(WholeFile):
    """A file of explanations as CSV, Parquet or JSON, by its ending."""

    endings = (*WholeFile.endings, _JSON)

    def writer(self, place: Path) -> _Json | _Lines:
        if self.output.suffix.lower() == _JSON:
            return _Json(place.open("w", encoding="utf-8"))
        return _Lines(table_writer(place, self.output.suffix, SCHEMA))

    def write(self, explanation: Explanation) -> None:
        """Append a row."""
        with self._refused():
            self._writer.write(explanation)


class _Json:
    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._file.write('{"explanations": [')
        self._before = ""

    def write(self, explanation: Explanation) -> None:
        text = json.dumps(explanation.to_json(), ensure_ascii=False, allow_nan=False)
        self._file.write(f"{self._before}\n{text}")
        self._before = ","

    def close(self) -> None:
        self._file.write("\n]}\n")
        self._file.close()


class _Lines:
    """A writer that collects lines, so that row groups in Parquet are not tiny."""

    def __init__(self, writer: Any) -> None:
        self._writer = writer
        self._waiting: list[dict[str, Any]] = []
        self._rows = 0

    def write(self, explanation: Explanation) -> None:
        self._waiting += lines(explanation)
        self._rows += 1
        if self._rows == _ROWS_AT_ONCE:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._waiting:
            self._writer.write_batch(pa.RecordBatch.from_pylist(self._waiting, schema=SCHEMA))
        self._waiting, self._rows = [], 0


def lines(explanation: Explanation) -> Iterator[dict[str, Any]]:
    """Yield the parts of one row's sum, the baseline first, by the columns of `SCHEMA`."""
    row = {
        "row": explanation.row,
        "probability": explanation.probability,
        "logit": explanation.logit,
    }
    yield row | {"part": "baseline", "contribution": explanation.baseline}
    parts: tuple[Part, ...] = (*explanation.fields, *explanation.pairs)
    for part in parts:
        yield row | {
            "part": "field" if isinstance(part, FieldPart) else "pair" if len(part.fields) == 2 else "cross",
            "name": part.name,
            "contribution": added(part),
            "seen": part.seen,
            "rate": part.rate,
            **_told(part),
        }
    if explanation.trees is not None:
        yield row | {"part": "trees", "contribution": explanation.trees}
    yield row | {"part": "rest", "contribution": explanation.rest}


def _told(part: Part) -> dict[str, Any]:
    if isinstance(part, PairPart):
        return {"status": part.status}
    value = "|".join(part.value) if isinstance(part.value, tuple) else part.value
    return {
        "all": part.contribution,
        "value": None if value is None else str(value),
        "status": part.status,
    }
