"""Dictionaries that batches share, against ones that are looked up value by value."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, strategies as st

from autofi.data import encoder as encoder_module
from autofi.data.dictionary_batches import Dictionaries, FirstUses
from autofi.data.encode import encode
from autofi.data.schema import Field, FieldKind, Schema
from autofi.data.split import SplitSpec
from autofi.data.vocabulary import ValueCounter
from autofi.readers import open_table
from autofi.readers.python_objects import ObjectColumn
from tests.data.clicks import COLUMN, FRAME, SCHEMA, assert_same_rows, slow_codes

TEXTS = st.lists(st.none() | st.sampled_from("abcdefgh"), max_size=9)
DICTIONARY = pa.dictionary(pa.int32(), pa.string())


def growing(batches: list[list[str | None]]) -> list[pa.DictionaryArray]:
    """Batches each of which brings all texts so far, as those of a Parquet row group do."""
    texts: list[str] = []
    arrays = []
    for batch in batches:
        texts += [text for text in dict.fromkeys(batch) if text is not None and text not in texts]
        indices = [None if text is None else texts.index(text) for text in batch]
        arrays.append(
            pa.DictionaryArray.from_arrays(pa.array(indices, pa.int32()), pa.array(texts, pa.string()))
        )
    return arrays


def apart(batches: list[list[str | None]]) -> list[pa.DictionaryArray]:
    return [pa.array(batch, pa.string()).dictionary_encode() for batch in batches]


@pytest.mark.parametrize("arrange", [growing, apart])
@given(batches=st.lists(TEXTS, min_size=1, max_size=5), others=TEXTS)
def test_entries_are_counted_and_coded_as_texts_are(arrange, batches, others) -> None:
    train = [text for batch in batches for text in batch]
    counter, dictionaries = ValueCounter(), Dictionaries()
    every = [dictionaries.entries(array) for array in arrange(batches)]
    for entries in every:
        counter.add_entries(entries)
    vocabulary = counter.vocabulary()
    for batch, entries in zip(batches, every, strict=True):
        codes = vocabulary.entry_codes(entries).take(entries.of_row)
        assert codes.tolist() == slow_codes(batch, train)
    unseen = Dictionaries().entries(pa.array(others, pa.string()))
    assert vocabulary.entry_codes(unseen).take(unseen.of_row).tolist() == slow_codes(others, train)


@pytest.mark.parametrize("merge_at", [0, 2, 5])
def test_a_dictionary_that_grows_after_a_merge_keeps_its_codes(merge_at: int) -> None:
    batches: list[list[str | None]] = [
        ["a", "b"],
        ["b", None, "c"],
        ["d", "a"],
        ["e"],
        ["a", "e", "f"],
        ["f"],
    ]
    counter, dictionaries = ValueCounter(), Dictionaries()
    every = []
    for number, array in enumerate(growing(batches)):
        every.append(dictionaries.entries(array))
        counter.add_entries(every[-1], np.arange(len(array)))
        if number == merge_at:
            counter.vocabulary()
    vocabulary = counter.vocabulary()
    train = [text for batch in batches for text in batch]
    assert vocabulary.counts.sum() == len(train)
    for batch, entries in zip(batches, every, strict=True):
        assert vocabulary.entry_codes(entries).take(entries.of_row).tolist() == slow_codes(batch, train)


def test_batches_that_continue_a_dictionary_share_it() -> None:
    dictionaries = Dictionaries()
    first, second, other = (
        dictionaries.entries(array) for array in [*growing([["a", "b"], ["c"]]), *apart([["b", "c"]])]
    )
    assert first.texts is second.texts
    assert other.texts is not first.texts
    assert (first.size, second.size) == (2, 3)
    assert first.of_row.dtype == np.uint8


@pytest.mark.parametrize("arrange", [growing, apart])
@given(batches=st.lists(TEXTS, min_size=1, max_size=5))
def test_first_uses_come_once_and_in_order(arrange, batches) -> None:
    uses = FirstUses()
    known: set[str] = set()
    for batch, array in zip(batches, arrange(batches), strict=True):
        texts = list(dict.fromkeys(text for text in batch if text is not None))
        found = uses.new(array).to_pylist()
        # A dictionary of its own may bring texts again.
        again = [text for text in texts if text in known and text in found]
        assert found == [text for text in texts if text not in known or text in again]
        assert not again or arrange is apart
        known |= set(texts)


def test_entries_that_no_row_uses_are_no_values() -> None:
    uses = FirstUses()
    texts = pa.array(["unused", "b", "a"], pa.string())
    for indices, expected in (([2, None, 1, 2], ["a", "b"]), ([0, 1], ["unused"]), ([0, 1, 2], [])):
        array = pa.DictionaryArray.from_arrays(pa.array(indices, pa.int32()), texts)
        assert uses.new(array).to_pylist() == expected


@pytest.mark.parametrize("group_rows", [50, 600])
def test_rows_kept_and_rows_read_again_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group_rows: int
) -> None:
    monkeypatch.setattr(encoder_module, "LARGE_BATCH_ROWS", 40)
    pq.write_table(pa.Table.from_pandas(FRAME), tmp_path / "rows.parquet", row_group_size=group_rows)
    table = open_table(tmp_path / "rows.parquet")
    in_one = encode(open_table(FRAME), SCHEMA, split=COLUMN)
    for memory_limit in (1 << 30, 20_000, 0):
        made = encode(table, SCHEMA, split=COLUMN, memory_limit=memory_limit)
        assert_same_rows(made, in_one)
        assert made.fingerprint == in_one.fingerprint
        assert all((a == b).all() for a, b in zip(made.encoder.counts, in_one.encoder.counts, strict=True))


def test_a_table_is_read_once_where_its_rows_fit(tmp_path: Path) -> None:
    reads = []

    class Counted(type(open_table(FRAME))):  # type: ignore[misc]
        def _read(self, columns: tuple[str, ...]):
            reads.append(columns)
            yield from super()._read(columns)

    columns = pa.Table.from_pandas(FRAME)
    table = Counted(
        dict(zip(columns.column_names, map(ObjectColumn, columns.columns), strict=True)), name="rows"
    )
    encode(table, SCHEMA, split=SplitSpec.parse("random"))
    assert [len(read) > 1 for read in reads] == [False, True]  # the split reads the target alone
    encode(table, SCHEMA, split=SplitSpec.parse("random"), memory_limit=1000)
    assert sum(len(read) > 1 for read in reads) == 3


def test_equal_texts_of_different_entries_are_one_value() -> None:
    values = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, 3, 0] * 8), pa.array([0.0, -0.0, 1.5, None]))
    frame = pa.table({"x": values, "click": [0, 1, 1, 0, 1] * 8})
    schema = Schema((Field("x", FieldKind.CATEGORICAL),), "click")
    made = encode(open_table(frame), schema)
    assert made.encoder.fields[0].codes.values.to_pylist() == ["0", "1.5"]
