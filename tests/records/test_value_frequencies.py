"""How often training has the values of held-out rows: counted, kept small, and gone where a study is older."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from autofi.data.dataset import EncodedDataset
from autofi.data.encode import encode
from autofi.readers import open_table
from autofi.records import value_frequencies as frequencies
from autofi.records.predictions import predictions_file
from autofi.records.value_frequencies import FREQUENCIES, frequency_codes, load_frequencies, save_frequencies
from autofi.store import StudyHandle, StudyStore, resolve_storage
from tests.data.clicks import COLUMN, FRAME, SCHEMA
from tests.store.examples import CREATED


@pytest.fixture
def handle(tmp_path: Path) -> Iterator[StudyHandle]:
    with (
        StudyStore(resolve_storage(str(tmp_path / "a.db"))) as store,
        store.create_or_resume("mine", **CREATED) as opened,
    ):
        yield opened


@pytest.fixture(scope="module")
def dataset() -> EncodedDataset:
    return encode(open_table(FRAME), SCHEMA, split=COLUMN)


def slow_code(count: int) -> int:
    return count.bit_length()


def test_a_code_is_how_often_a_value_can_be_halved() -> None:
    counts = np.array([0, 1, 2, 3, 4, 7, 8, 1023, 1024, 2**40 - 1, 2**40])
    assert frequency_codes(counts).tolist() == [slow_code(int(count)) for count in counts]
    assert frequency_codes(counts).dtype == np.uint8


@pytest.mark.parametrize("part", ["valid", "test"])
def test_codes_are_those_of_training_rows_counted_one_by_one(
    handle: StudyHandle, dataset: EncodedDataset, part: str
) -> None:
    save_frequencies(handle, dataset)
    found = load_frequencies(handle, part)
    assert found is not None
    assert found.fields == tuple(SCHEMA.names)
    train, held_out = dataset.rows("train").ids, dataset.rows(part).ids
    for field in range(train.shape[1]):
        counts = Counter(train[:, field].tolist())
        expected = [slow_code(counts[code]) for code in held_out[:, field].tolist()]
        assert found.codes[:, field].tolist() == expected
    assert found.rows.tolist() == list(range(len(held_out)))


def test_of_many_rows_every_nth_is_kept(
    handle: StudyHandle, dataset: EncodedDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = [dataset.rows(part).ids for part in frequencies.PARTS]
    most = sum(ids.size for ids in whole) // 3
    monkeypatch.setattr(frequencies, "MOST_BYTES", most)
    save_frequencies(handle, dataset)
    found = [load_frequencies(handle, part) for part in frequencies.PARTS]
    for kept, ids in zip(found, whole, strict=True):
        assert kept is not None
        assert (kept.rows % 3 == 0).all()
        assert len(kept.rows) == len(kept.codes) == -(-len(ids) // 3)
        counts = dataset.encoder.counts[0]
        assert kept.codes[:, 0].tolist() == [slow_code(int(counts[code])) for code in ids[kept.rows, 0]]
    assert sum(kept.codes.nbytes for kept in found if kept is not None) <= most + 2 * len(SCHEMA.names)


def test_an_older_study_has_none_and_what_is_kept_is_not_written_again(
    handle: StudyHandle, dataset: EncodedDataset
) -> None:
    assert load_frequencies(handle, "test") is None
    save_frequencies(handle, dataset)
    written = predictions_file(handle, FREQUENCIES).stat()
    save_frequencies(handle, dataset)
    again = predictions_file(handle, FREQUENCIES).stat()
    assert (written.st_mtime_ns, written.st_ino) == (again.st_mtime_ns, again.st_ino)
