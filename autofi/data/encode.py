"""Encoding of tables to a dataset in two passes: one fits the encoder, one fills the arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import DTypeLike, NDArray

from autofi.core.memmap import release, reserve
from autofi.data.dataset import EncodedDataset, fingerprint
from autofi.data.dictionary_batches import Dictionaries
from autofi.data.encoded_rows import EncodedRows
from autofi.data.encoder import Encoder, large_batches
from autofi.data.field_encoder_fit import FieldFit
from autofi.data.folds import kept_apart
from autofi.data.label_columns import located, read_groups, read_labels, read_weights
from autofi.data.quantile_binning import Buckets, BucketScale
from autofi.data.raw_field import FieldValues
from autofi.data.schema import Schema
from autofi.data.split import (
    PARTS,
    TEST,
    TRAIN,
    VALID,
    VALID_FROM_TRAIN,
    ConstantSplit,
    PartCodes,
    RandomSplit,
    SplitMethod,
    SplitSpec,
    Splitter,
    make_splitter,
)
from autofi.errors import ConfigError, DataError
from autofi.readers import Table

MEMORY_LIMIT = 1 << 30
MAX_BUCKETS = 1 << 20


def encode(
    table: Table,
    schema: Schema,
    *,
    split: SplitSpec | None = None,
    valid: Table | None = None,
    test: Table | None = None,
    seed: int = 0,
    buckets: str = "quantile",
    num_buckets: int = 32,
    directory: Path | None = None,
    memory_limit: int = MEMORY_LIMIT,
) -> EncodedDataset:
    """Fit an encoder on the training rows and encode all rows.

    About 300,000 raw rows are held at a time. The tables are read once if their rows, with texts as dictionary codes,
    fit in `memory_limit` bytes, and else twice. Before that, the column that decides the split is read (the target, if
    it is random).

    Args:
        table: The table.
        schema: Its schema.
        split: The split of `table` into parts; random by default. With a `valid` or `test` table, all of `table`
            trains, except for a tenth of its rows that validates if there is no `valid`.
        valid: A separate table of validation rows.
        test: A separate table of test rows.
        seed: Seed of the split and of samples.
        buckets: Scale of the buckets of numeric fields, `quantile` or `log`.
        num_buckets: Most buckets of a numeric field.
        directory: Folder of mapped arrays; None keeps all in memory.
        memory_limit: Bytes of all arrays beyond which they are mapped to files.

    Raises:
        ConfigError: The split or the buckets are not valid.
        DataError: Rows cannot be used, or a part cannot be trained or validated on.
    """
    scale = _scale(buckets, num_buckets)
    sources = _sources(table, schema, split or SplitSpec(), valid, test, seed)
    kept = _Kept(sources, schema, memory_limit)
    encoder, tally = _fit(sources, schema, kept, scale=scale, num_buckets=num_buckets, seed=seed)
    tally.check(schema, _way_out(split, valid, test))
    arrays = _Arrays.allocate(encoder, tally.rows, directory, memory_limit)
    _fill(arrays, sources, kept, encoder, tally)
    # Arrow keeps freed memory, and no table will be read for a while.
    pa.default_memory_pool().release_unused()
    encoder = _with_bucket_counts(encoder, arrays.ids[: tally.rows[TRAIN]])
    parts = tally.parts()
    named: dict[str, NDArray[Any] | None] = {
        "ids": arrays.ids,
        "numbers": arrays.numbers,
        "labels": arrays.labels,
    }
    named |= {"weights": arrays.weights, "groups": arrays.groups}
    named |= {f"bag:{name}": bag for name, bag in arrays.bags.items()}
    return EncodedDataset(
        encoder=encoder,
        ids=arrays.ids,
        numbers=arrays.numbers,
        bags=arrays.bags,
        labels=arrays.labels,
        weights=arrays.weights,
        groups=arrays.groups,
        parts=parts,
        fingerprint=fingerprint(_meaning(schema), parts, named),
        apart=kept_apart(arrays.ids, encoder.cardinalities, parts, arrays.groups, seed=seed),
    )


def _meaning(schema: Schema) -> dict[str, Any]:
    """Return fields and roles without the notation of values, so that rows have one fingerprint in every file."""
    fields = [[field.name, field.kind.value, field.reads_as_number] for field in schema.fields]
    return {"fields": fields, "target": schema.target, "weight": schema.weight, "group": schema.group}


@dataclass(frozen=True)
class _Source:
    """A table, and the splitter that assigns its rows to parts."""

    table: Table
    splitter: Splitter
    columns: tuple[str, ...]

    def only(self, part: int) -> bool:
        return isinstance(self.splitter, ConstantSplit) and self.splitter.part == part


def _scale(buckets: str, num_buckets: int) -> BucketScale:
    if not 2 <= num_buckets <= MAX_BUCKETS:
        raise ConfigError(f"num_buckets is {num_buckets}; it must lie in 2..{MAX_BUCKETS}.")
    try:
        return BucketScale(buckets)
    except ValueError:
        raise ConfigError(f"buckets is '{buckets}'; it must be 'quantile' or 'log'.") from None


def _sources(
    table: Table, schema: Schema, spec: SplitSpec, valid: Table | None, test: Table | None, seed: int
) -> list[_Source]:
    if valid is None and test is None:
        spec = spec.resolve(schema)
        return [_source(table, schema, _splitter(spec, table, schema, seed))]
    if spec.method is not SplitMethod.RANDOM:
        raise ConfigError(
            f"The split '{spec}' is given beside separate validation or test tables, which leave nothing to split; "
            "leave out either it or the tables."
        )
    main: Splitter = ConstantSplit(TRAIN)
    if valid is None:
        main = RandomSplit.fit(
            table,
            schema.target,
            fractions=VALID_FROM_TRAIN,
            seed=seed,
            reading=schema.reading(schema.target),
        )
    others = [(valid, VALID), (test, TEST)]
    return [
        _source(table, schema, main),
        *(_source(other, schema, ConstantSplit(part)) for other, part in others if other is not None),
    ]


def _splitter(spec: SplitSpec, table: Table, schema: Schema, seed: int) -> Splitter:
    return make_splitter(spec, table, target=schema.target, seed=seed, reading_of=schema.reading)


def _source(table: Table, schema: Schema, splitter: Splitter) -> _Source:
    roles = (schema.target, schema.weight, schema.group)
    used = (*schema.names, *(role for role in roles if role is not None), *splitter.columns)
    return _Source(table, splitter, tuple(dict.fromkeys(used)))


class _Tally:
    """Counts of rows and labels per part, and a check of them."""

    def __init__(self) -> None:
        self._labels = np.zeros((3, 3), dtype=np.int64)  # part, label + 1
        self._weighed = np.zeros((3, 3), dtype=np.int64)  # likewise, of rows with a weight above 0

    @property
    def rows(self) -> tuple[int, int, int]:
        train, valid, test = (int(rows) for rows in self._labels.sum(axis=1))
        return train, valid, test

    def add(self, parts: PartCodes, labels: NDArray[np.int8], weights: NDArray[np.float32] | None) -> None:
        cells = 3 * parts.astype(np.int64) + labels + 1
        self._labels += np.bincount(cells, minlength=9).reshape(3, 3)
        weighed = cells if weights is None else cells[weights > 0]
        self._weighed += np.bincount(weighed, minlength=9).reshape(3, 3)

    def parts(self) -> dict[str, slice]:
        ends = np.cumsum((0, *self.rows)).tolist()
        return {name: slice(start, end) for name, start, end in zip(PARTS, ends[:-1], ends[1:], strict=True)}

    def check(self, schema: Schema, way_out: str) -> None:
        """Raise DataError if the labels are mixed, or a part cannot be trained or validated on.

        `way_out` tells the user how to get clicks and others into every part.
        """
        target = schema.target
        minus, zero = self._labels[:, :2].sum(axis=0)
        if minus and zero:
            raise DataError(
                f"The target '{target}' has {minus} rows of -1 and {zero} of 0; labels are 0 and 1, or -1 and 1, so "
                "rewrite one of them."
            )
        for clicked in (True, False):
            found, weighed = (_of_class(labels, clicked) for labels in (self._labels, self._weighed))
            if sum(found) < 2:
                raise DataError(
                    f"The target '{target}' has {_counted(sum(found), clicked)} in {sum(self.rows):,} rows; a search "
                    "needs at least one in training and one in validation rows, so read more rows, or name another "
                    "target."
                )
            for part in (TRAIN, VALID):
                if weighed[part] == 0:
                    parts = ", ".join(
                        f"{name} {_counted(count, clicked)} in {rows:,} rows"
                        for name, count, rows in zip(PARTS, found, self.rows, strict=True)
                    )
                    above = f" with a '{schema.weight}' above 0" if found[part] else ""
                    raise DataError(
                        f"The {PARTS[part]} part has {_counted(0, clicked)}{above} in the target '{target}' ({parts}; "
                        f"all {_counted(sum(found), clicked)} in {sum(self.rows):,}): {way_out}."
                    )


def _of_class(labels: NDArray[np.int64], clicked: bool) -> tuple[int, int, int]:
    train, valid, test = (int(count) for count in (labels[:, 2] if clicked else labels[:, :2].sum(axis=1)))
    return train, valid, test


def _counted(rows: int, clicked: bool) -> str:
    """Return a text such as "no click", "3 clicks" or "1 row without a click"."""
    shown = f"{rows:,}" if rows else "no"
    what = ("click", "clicks") if clicked else ("row without a click", "rows without a click")
    return f"{shown} {what[rows != 1 and rows != 0]}"


def _way_out(split: SplitSpec | None, valid: Table | None, test: Table | None) -> str:
    """Return advice on how to get both classes into the training and validation rows."""
    if valid is not None:
        return (
            "give tables that have some, or leave the validation table out, so that a tenth of the training rows "
            "validates"
        )
    at_random = "split at random, which puts clicks into every part (--split random)"
    match SplitMethod.RANDOM if split is None or test is not None else split.method:
        case SplitMethod.RANDOM:
            return "read more rows"
        case SplitMethod.COLUMN:
            return f"mark other rows as train and valid, or {at_random}"
        case method:
            return f"choose other fractions (--split {method}:0.6,0.2,0.2), read more rows, or {at_random}"


@dataclass(frozen=True, eq=False)
class _Rows:
    """One batch of a table, read by the roles of its columns."""

    first_row: int
    parts: PartCodes
    labels: NDArray[np.int8]
    weights: NDArray[np.float32] | None
    groups: NDArray[np.int64] | None
    fields: list[FieldValues]

    @property
    def nbytes(self) -> int:
        others = (self.parts, self.labels, self.weights, self.groups)
        held = sum(array.nbytes for array in others if array is not None)
        return held + sum(values.nbytes for values in self.fields)


def _read(source: _Source, schema: Schema) -> Iterator[_Rows]:
    name = source.table.name
    dictionaries = [Dictionaries() for _ in schema.fields]
    first_row = 0
    for batch in large_batches(source.table, source.columns):
        numbers = range(first_row, first_row + batch.num_rows)
        parts = source.splitter.parts(batch, first_row)
        with located(name, schema.target, numbers):
            labels = read_labels(batch.column(schema.target), schema.reading(schema.target))
        weights = groups = None
        if schema.weight is not None:
            with located(name, schema.weight, numbers):
                weights = read_weights(batch.column(schema.weight), schema.reading(schema.weight))
        if schema.group is not None:
            with located(name, schema.group, numbers):
                groups = read_groups(batch.column(schema.group), schema.reading(schema.group))
        fields = []
        for field, known in zip(schema.fields, dictionaries, strict=True):
            with located(name, field.name, numbers):
                fields.append(FieldValues(batch.column(field.name), field, known))
                fields[-1].read()
        yield _Rows(first_row, parts, labels, weights, groups, fields)
        first_row += batch.num_rows


class _Kept:
    """The batches of the first pass, kept if they are small enough to make the second pass unnecessary."""

    def __init__(self, sources: Sequence[_Source], schema: Schema, most_bytes: int) -> None:
        self._sources = sources
        self._schema = schema
        self._left = most_bytes
        self._rows: list[list[_Rows]] | None = [[] for _ in sources]

    def first(self, place: int) -> Iterator[_Rows]:
        """Yield the rows of a source in the first pass."""
        for rows in _read(self._sources[place], self._schema):
            self._left -= rows.nbytes
            if self._left < 0:
                self._rows = None
            if self._rows is not None:
                self._rows[place].append(rows)
            yield rows

    def second(self, place: int) -> Iterator[_Rows]:
        """Yield the rows of a source in the second pass."""
        if self._rows is None:
            yield from _read(self._sources[place], self._schema)
        else:
            while self._rows[place]:
                yield self._rows[place].pop(0)


def _fit(
    sources: Sequence[_Source],
    schema: Schema,
    kept: _Kept,
    *,
    scale: BucketScale,
    num_buckets: int,
    seed: int,
) -> tuple[Encoder, _Tally]:
    fits = [FieldFit(field, scale=scale, num_buckets=num_buckets, seed=seed) for field in schema.fields]
    tally = _Tally()
    for place, source in enumerate(sources):
        for rows in kept.first(place):
            tally.add(rows.parts, rows.labels, rows.weights)
            chosen = np.flatnonzero(rows.parts == TRAIN)
            if len(chosen):
                for fit, values in zip(fits, rows.fields, strict=True):
                    fit.add(values, chosen, rows.first_row, source.table.name)
    return Encoder(schema, tuple(fit.encoder() for fit in fits)), tally


@dataclass(frozen=True)
class _Arrays:
    """The arrays of a dataset that is being filled."""

    ids: NDArray[np.int32]
    numbers: NDArray[np.float32]
    bags: dict[str, NDArray[np.int32]]
    labels: NDArray[np.float32]
    weights: NDArray[np.float32] | None
    groups: NDArray[np.int64] | None

    @classmethod
    def allocate(
        cls, encoder: Encoder, part_rows: Sequence[int], directory: Path | None, memory_limit: int
    ) -> _Arrays:
        rows = sum(part_rows)
        columns = len(encoder.fields) + len(encoder.number_fields) + sum(encoder.bag_widths.values())
        mapped = directory if 4 * rows * (columns + 4) > memory_limit else None
        if mapped is not None:
            mapped.mkdir(parents=True, exist_ok=True)

        def array(name: str, dtype: DTypeLike, *width: int) -> NDArray[Any]:
            shape = (rows, *width)
            if mapped is None or 0 in shape:
                return np.empty(shape, dtype=dtype)
            # Column-major, as crosses and target encodings count columns; a slice of rows is a run per column.
            path = mapped / f"{name}.npy"
            array = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape, fortran_order=True)
            with path.open("r+b") as file:
                reserve(file.fileno(), path.stat().st_size)
            return array

        schema = encoder.schema
        return cls(
            ids=array("ids", np.int32, len(encoder.fields)),
            numbers=array("numbers", np.float32, len(encoder.number_fields)),
            bags={
                name: array(f"bag_{place}", np.int32, width)
                for place, (name, width) in enumerate(encoder.bag_widths.items())
            },
            labels=array("labels", np.float32),
            weights=None if schema.weight is None else array("weights", np.float32),
            groups=None if schema.group is None else array("groups", np.int64),
        )

    def release(self) -> None:
        """Release the pages of mapped arrays that have been written."""
        release(self.ids, self.numbers, *self.bags.values(), self.labels, self.weights, self.groups)


def _fill(arrays: _Arrays, sources: Sequence[_Source], kept: _Kept, encoder: Encoder, tally: _Tally) -> None:
    stops = [part.stop for part in tally.parts().values()]
    places = [part.start for part in tally.parts().values()]
    target = EncodedRows(arrays.ids, arrays.numbers, arrays.bags)
    for number, source in enumerate(sources):
        for rows in kept.second(number):
            place_of_row = np.empty(len(rows.parts), dtype=np.int64)
            for part in range(3):
                chosen = np.flatnonzero(rows.parts == part)
                place_of_row[chosen] = np.arange(places[part], places[part] + len(chosen))
                places[part] += len(chosen)
                if places[part] > stops[part]:
                    raise _changed(source.table)
            encoder.write(rows.fields, target, place_of_row)
            arrays.labels[place_of_row] = rows.labels > 0
            if arrays.weights is not None and rows.weights is not None:
                arrays.weights[place_of_row] = rows.weights
            if arrays.groups is not None and rows.groups is not None:
                arrays.groups[place_of_row] = rows.groups
            arrays.release()
    if places != stops:
        raise _changed(sources[0].table)


def _changed(table: Table) -> DataError:
    return DataError(
        f"{table.name} had other rows when it was read a second time; read from a copy, or order the query's rows."
    )


def _with_bucket_counts(encoder: Encoder, train_ids: NDArray[np.int32]) -> Encoder:
    fields = [
        replace(field, counts=np.bincount(train_ids[:, place], minlength=field.cardinality))
        if isinstance(field.codes, Buckets)
        else field
        for place, field in enumerate(encoder.fields)
    ]
    return Encoder(encoder.schema, tuple(fields))
