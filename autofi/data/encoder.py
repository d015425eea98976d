"""The encoder of raw rows as codes, positions and bags, the same in training and in prediction."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from autofi.core.strict_json import read_object
from autofi.data.encoded_rows import EncodedRows
from autofi.data.label_columns import located
from autofi.data.quantile_binning import Buckets, BucketScale, Positions
from autofi.data.raw_field import FieldValues
from autofi.data.schema import Field, FieldKind, Schema
from autofi.data.vocabulary import FIRST_VALUE, MISSING, Vocabulary
from autofi.data.vocabulary_file import COLUMNS, read_vocabularies
from autofi.errors import DataError, nearest
from autofi.readers import LARGE_BATCH_ROWS, Table
from autofi.values.arrow_values import token_places

PADDING = -1

_FORMAT = 1
_ROWS_AT_ONCE = 1 << 13


@dataclass(frozen=True, eq=False)
class FieldEncoder:
    """The encoder of one field, fitted on training rows.

    Attributes:
        field: The field.
        codes: Vocabulary, or buckets of a numeric field.
        counts: Training rows per code.
        positions: Positions, if the field reads as a number.
        tokens: Vocabulary of the tokens of a multi-valued field.
        bag_width: Most tokens of a row of a multi-valued field.
    """

    field: Field
    codes: Vocabulary | Buckets
    counts: NDArray[np.int64]
    positions: Positions | None = None
    tokens: Vocabulary | None = None
    bag_width: int = 0

    @property
    def cardinality(self) -> int:
        """Number of codes, including those of missing values and out of vocabulary."""
        return self.codes.cardinality


@dataclass(frozen=True, eq=False)
class Encoder:
    """The encoders of all fields of a schema, fitted on training rows only."""

    schema: Schema
    fields: tuple[FieldEncoder, ...]

    @cached_property
    def cardinalities(self) -> tuple[int, ...]:
        """Number of codes per field, including those of missing values and out of vocabulary."""
        return tuple(field.cardinality for field in self.fields)

    @cached_property
    def counts(self) -> tuple[NDArray[np.int64], ...]:
        """Training rows per code, per field."""
        return tuple(field.counts for field in self.fields)

    @cached_property
    def number_fields(self) -> tuple[str, ...]:
        """Names of the fields behind the columns of `numbers`."""
        return tuple(field.field.name for field in self.fields if field.positions is not None)

    @cached_property
    def number_bins(self) -> tuple[int, ...]:
        """Number of bins T per column of `numbers`, whose positions lie in [0, T]."""
        return tuple(field.positions.bins for field in self.fields if field.positions is not None)

    @cached_property
    def bag_cardinalities(self) -> dict[str, int]:
        """Number of token codes per multi-valued field."""
        return {
            field.field.name: field.tokens.cardinality for field in self.fields if field.tokens is not None
        }

    @cached_property
    def bag_widths(self) -> dict[str, int]:
        """Most tokens of a row, L, per multi-valued field."""
        return {field.field.name: field.bag_width for field in self.fields if field.tokens is not None}

    def transform(self, table: Table) -> Iterator[EncodedRows]:
        """Encode a table in batches of at most about 300,000 rows.

        Only the columns of the fields are needed; other columns, and the order of columns, do not matter.

        Raises:
            DataError: A column is missing, or a value of a numeric field is not a number.
        """
        self._check_columns(table.columns, table.name)
        first_row = 0
        for batch in large_batches(table, self.schema.names):
            yield self.transform_batch(batch, source=table.name, first_row=first_row)
            first_row += batch.num_rows

    def transform_batch(
        self,
        batch: pa.RecordBatch,
        *,
        source: str = "the rows given",
        first_row: int = 0,
    ) -> EncodedRows:
        """Encode one batch; `source` and `first_row` are for error messages."""
        self._check_columns(batch.schema.names, source)
        rows = batch.num_rows
        values = []
        for field in self.schema.fields:
            with located(source, field.name, range(first_row, first_row + rows)):
                values.append(FieldValues(batch.column(field.name), field))
                values[-1].read()
        encoded = EncodedRows(
            ids=np.empty((rows, len(self.fields)), dtype=np.int32),
            numbers=np.empty((rows, len(self.number_fields)), dtype=np.float32),
            bags={name: np.empty((rows, width), dtype=np.int32) for name, width in self.bag_widths.items()},
        )
        self.write(values, encoded, np.arange(rows))
        return encoded

    def write(self, batch: Sequence[FieldValues], rows: EncodedRows, places: NDArray[np.int64]) -> None:
        """Write a batch, read field by field, to the rows of `rows` at `places`, a place per row of the batch."""
        columns = []
        for encoder, values in zip(self.fields, batch, strict=True):
            name = encoder.field.name
            if isinstance(encoder.codes, Vocabulary):
                entries = values.entries()
                columns.append((encoder.codes.entry_codes(entries), entries.of_row))
            else:
                codes = np.arange(encoder.cardinality, dtype=np.int32)
                columns.append((codes, encoder.codes.codes(values.numbers())))
            if encoder.positions is not None:
                position = self.number_fields.index(name)
                rows.numbers[places, position] = encoder.positions.positions(values.numbers())
            if encoder.tokens is not None:
                rows.bags[name][places] = _bag(values.tokens(), encoder.tokens, encoder.bag_width)
        # Some rows of all columns at a time: column by column, every value would be a cache miss.
        for start in range(0, len(places), _ROWS_AT_ONCE):
            block = places[start : start + _ROWS_AT_ONCE]
            lines = np.empty((len(columns), len(block)), dtype=np.int32)
            for line, (of_entry, of_row) in zip(lines, columns, strict=True):
                # No entry is out of range; any mode but "raise" avoids a copy.
                np.take(of_entry, of_row[start : start + len(block)], out=line, mode="clip")
            rows.ids[block] = lines.T

    def subset(self, names: Sequence[str]) -> Encoder:
        """Return the encoder of some of the fields, in the order given.

        Raises:
            DataError: A name is not that of a field.
        """
        encoder_of = {field.field.name: field for field in self.fields}
        fields = tuple(self.schema.field(name) for name in names)
        return Encoder(replace(self.schema, fields=fields), tuple(encoder_of[field.name] for field in fields))

    def _check_columns(self, found: Sequence[str], source: str) -> None:
        present = set(found)
        for name in self.schema.names:
            if name not in present:
                raise DataError(
                    f"The column of field '{name}' is missing in {source}; {nearest(name, found)}"
                )

    def save(self, directory: Path | str) -> None:
        """Write `schema.json`, `encoder.json` and `vocabulary.parquet`."""
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "schema.json").write_text(json.dumps(self.schema.to_json(), indent=2))
        described = {"format": _FORMAT, "fields": [_describe(field) for field in self.fields]}
        (directory / "encoder.json").write_text(json.dumps(described))
        pq.write_table(self._vocabularies(), directory / "vocabulary.parquet")

    @cached_property
    def vocabulary_bytes(self) -> int:
        """Bytes of `vocabulary.parquet`."""
        written = pa.BufferOutputStream()
        pq.write_table(self._vocabularies(), written)
        return int(written.tell())

    def _vocabularies(self) -> pa.Table:
        tables = [
            _vocabulary_table(field.field.name, use, vocabulary)
            for field in self.fields
            for use, vocabulary in (("value", field.codes), ("token", field.tokens))
            if isinstance(vocabulary, Vocabulary)
        ]
        return pa.concat_tables([COLUMNS.empty_table(), *tables])

    @classmethod
    def load(cls, directory: Path | str) -> Encoder:
        """Return the encoder that `save` wrote.

        Raises:
            DataError: The files are missing, damaged or do not belong together.
        """
        directory = Path(directory)
        try:
            schema = Schema.from_json(read_object(directory / "schema.json"))
            described = read_object(directory / "encoder.json")
            if described["format"] != _FORMAT:
                raise ValueError(f"format {described['format']} is not {_FORMAT}")
            values = _Values(read_vocabularies(directory / "vocabulary.parquet"))
            fields = tuple(
                _field_encoder(field, description, values)
                for field, description in zip(schema.fields, described["fields"], strict=True)
            )
            values.check_all_taken()
        except (OSError, ValueError, KeyError, TypeError, OverflowError, pa.ArrowException) as error:
            raise DataError(
                f"a saved encoder cannot be read: {error} ({directory}); save it again"
            ) from error
        return cls(schema, fields)


def large_batches(table: Table, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a table in batches of about 300,000 rows, however small the table's own batches are.

    A batch that is large enough is passed on unchanged. Batches of different types, as at the end of a file, are not
    joined.
    """
    waiting: list[pa.RecordBatch] = []
    rows = 0
    for batch in table.batches(columns, most=LARGE_BATCH_ROWS):
        if waiting and batch.schema != waiting[0].schema:
            yield _joined(waiting)
            waiting, rows = [], 0
        waiting.append(batch)
        rows += batch.num_rows
        if rows >= LARGE_BATCH_ROWS:
            yield _joined(waiting)
            waiting, rows = [], 0
    if waiting:
        yield _joined(waiting)


def _joined(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    """Return the batches as one; texts are dictionary-encoded first, as joining codes is faster than joining texts."""
    if len(batches) == 1:
        return batches[0]
    columns = []
    for column in pa.Table.from_batches(batches).columns:
        texts = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
        joined = (column.dictionary_encode() if texts else column).combine_chunks()
        columns.append(joined)
    return pa.RecordBatch.from_arrays(columns, names=batches[0].schema.names)


def _bag(lists: pa.ListArray, tokens: Vocabulary, width: int) -> NDArray[np.int32]:
    """Return the first `width` tokens of each row, int32 `[N, width]`."""
    codes = tokens.codes(pc.list_flatten(lists))
    rows, places = token_places(lists)
    bag = np.full((len(lists), width), PADDING, dtype=np.int32)
    # An empty list keeps this; in any other list the first token overwrites it.
    bag[:, 0] = MISSING
    inside = places < width
    bag[rows[inside], places[inside]] = codes[inside]
    return bag


#: No version has written wider bags, and a damaged file must not make the arrays of rows too large.
_MOST_BAG_WIDTH = 1 << 10


def _vocabulary_table(name: str, use: str, vocabulary: Vocabulary) -> pa.Table:
    rows = len(vocabulary.values)
    return pa.table(
        {
            "field": pa.array([name] * rows, pa.string()),
            "use": pa.array([use] * rows, pa.string()),
            "value": vocabulary.values,
            "count": vocabulary.counts[FIRST_VALUE:],
        }
    )


def _describe(encoder: FieldEncoder) -> dict[str, Any]:
    """Return the parts of a field's encoder that are not in the vocabulary file; floats survive JSON exactly."""
    described: dict[str, Any] = {"name": encoder.field.name}
    if isinstance(encoder.codes, Vocabulary):
        described |= {"values": len(encoder.codes.values), "missing": int(encoder.codes.counts[MISSING])}
    else:
        described |= {"scale": encoder.codes.scale.value, "edges": encoder.codes.edges.tolist()}
        described |= {"counts": encoder.counts.tolist()}
    if encoder.positions is not None:
        described |= {"borders": encoder.positions.borders.tolist()}
    if encoder.tokens is not None:
        described |= {"tokens": len(encoder.tokens.values), "bag_width": encoder.bag_width}
        described |= {"missing_bags": int(encoder.tokens.counts[MISSING])}
    return described


class _Values:
    """The rows of a vocabulary file, taken in the order in which they were written."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self._next = 0

    def take(self, name: str, use: str, rows: int, missing: int) -> Vocabulary:
        part = self._table.slice(self._next, rows)
        self._next += rows
        if part.num_rows != rows or set(part["field"].unique().to_pylist()) - {name}:
            raise ValueError(f"vocabulary.parquet does not hold the {rows} {use}s of field '{name}'")
        counts = np.concatenate(([missing, 0], part["count"].to_numpy())).astype(np.int64)
        if counts.min() < 0:
            raise ValueError(f"vocabulary.parquet counts {use}s of field '{name}' below 0")
        return Vocabulary(pc.cast(part["value"].combine_chunks(), pa.large_string()), counts)

    def check_all_taken(self) -> None:
        if self._next != self._table.num_rows:
            raise ValueError("vocabulary.parquet holds more values than encoder.json names")


def _field_encoder(field: Field, described: dict[str, Any], values: _Values) -> FieldEncoder:
    if described["name"] != field.name:
        raise ValueError(f"encoder.json has field '{described['name']}' where schema.json has '{field.name}'")
    if ("values" in described) is (field.kind is FieldKind.NUMERIC):
        raise ValueError(f"encoder.json has other codes than schema.json for field '{field.name}'")
    codes: Vocabulary | Buckets
    if "values" in described:
        number, missing = _whole(described, "values"), _whole(described, "missing")
        codes = values.take(field.name, "value", number, missing)
        counts = codes.counts
    else:
        codes = Buckets(_rising(described, "edges"), BucketScale(described["scale"]))
        counts = np.array(described["counts"], dtype=np.int64)
        if counts.shape != (codes.cardinality,) or counts.min() < 0:
            raise ValueError(f"encoder.json does not count the buckets of field '{field.name}'")
    positions = Positions(_rising(described, "borders")) if "borders" in described else None
    if (positions is None) is field.reads_as_number or ("tokens" in described) is not (
        field.kind is FieldKind.MULTI_VALUED
    ):
        raise ValueError(f"encoder.json and schema.json disagree on what field '{field.name}' is")
    if "tokens" not in described:
        return FieldEncoder(field, codes, counts, positions)
    number, missing = _whole(described, "tokens"), _whole(described, "missing_bags")
    width = _whole(described, "bag_width")
    if not 1 <= width <= _MOST_BAG_WIDTH:
        raise ValueError(f"bag_width of field '{field.name}' is {width}, not in 1..{_MOST_BAG_WIDTH}")
    tokens = values.take(field.name, "token", number, missing)
    return FieldEncoder(field, codes, counts, positions, tokens, width)


def _whole(described: dict[str, Any], key: str) -> int:
    found = described[key]
    if type(found) is not int or not 0 <= found < 1 << 53:
        raise ValueError(f"'{key}' is {str(found)[:40]!a}, not a number of rows or values")
    return found


def _rising(described: dict[str, Any], key: str) -> NDArray[np.float64]:
    found = np.array(described[key], dtype=np.float64)
    if found.ndim != 1 or not np.isfinite(found).all() or not (np.diff(found) > 0).all():
        raise ValueError(f"'{key}' are not finite numbers that rise")
    return found
