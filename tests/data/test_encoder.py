from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from autofi.data import encoder as encoder_module
from autofi.data.dataset import EncodedDataset
from autofi.data.encode import encode
from autofi.data.encoder import Encoder
from autofi.errors import DataError
from autofi.readers import Table, open_table
from tests.data.clicks import COLUMN, FRAME, SCHEMA, assert_same_rows, in_part_order


@pytest.fixture(scope="module")
def dataset() -> EncodedDataset:
    return encode(open_table(FRAME), SCHEMA, split=COLUMN)


def test_the_encoder_gives_the_datasets_rows_whatever_the_columns_order(dataset: EncodedDataset) -> None:
    shuffled = in_part_order(FRAME)[["tags", "ignored", "price", "site", "user"]]
    (rows,) = dataset.encoder.transform(open_table(shuffled))
    assert_same_rows(rows, dataset)
    assert len(rows) == len(FRAME)
    assert rows.labels is None


def test_a_saved_encoder_comes_back_equal(tmp_path: Path, dataset: EncodedDataset) -> None:
    dataset.encoder.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "encoder.json",
        "schema.json",
        "vocabulary.parquet",
    ]
    loaded = Encoder.load(tmp_path)
    assert loaded.schema == SCHEMA
    assert loaded.cardinalities == dataset.encoder.cardinalities
    assert loaded.bag_widths == dataset.encoder.bag_widths
    assert all((a == b).all() for a, b in zip(loaded.counts, dataset.encoder.counts, strict=True))
    (before,), (after,) = (list(each.transform(open_table(FRAME))) for each in (dataset.encoder, loaded))
    assert_same_rows(before, after)


def test_a_damaged_encoder_is_refused(tmp_path: Path, dataset: EncodedDataset) -> None:
    with pytest.raises(DataError, match="saved encoder cannot be read"):
        Encoder.load(tmp_path)
    dataset.encoder.save(tmp_path)
    dataset.encoder.subset(["site"]).save(tmp_path / "other")
    (tmp_path / "vocabulary.parquet").write_bytes((tmp_path / "other" / "vocabulary.parquet").read_bytes())
    with pytest.raises(DataError, match=r"vocabulary\.parquet does not hold"):
        Encoder.load(tmp_path)


def test_a_subset_needs_only_its_columns(tmp_path: Path, dataset: EncodedDataset) -> None:
    some = dataset.encoder.subset(["price", "site"])
    some.save(tmp_path)
    for encoder in (some, Encoder.load(tmp_path)):
        (rows,) = encoder.transform(open_table(in_part_order(FRAME)[["site", "price"]]))
        assert (rows.ids == dataset.ids[:, [2, 0]]).all()
        assert np.array_equal(rows.numbers[:, 0], dataset.numbers[:, 1], equal_nan=True)
        assert rows.bags == {}
    with pytest.raises(DataError, match="No field is named 'prise'.*did you mean 'price'"):
        dataset.encoder.subset(["prise"])


def test_prediction_errors_name_the_place(dataset: EncodedDataset) -> None:
    with pytest.raises(DataError, match=r"'price' is missing in .*did you mean 'prices'"):
        list(dataset.encoder.transform(open_table(FRAME.rename(columns={"price": "prices"}))))
    words = FRAME.assign(price=["cheap" if row == 41 else str(row) for row in range(len(FRAME))])
    with pytest.raises(DataError, match=r"Row 42 of .* has 'cheap' in column 'price', which is not a number"):
        list(dataset.encoder.transform(open_table(words)))
    infinite = dataset.encoder.transform_batch(
        pa.RecordBatch.from_pydict({"site": ["s1"], "user": [1], "price": [np.inf], "tags": ["a"]})
    )
    assert infinite.numbers[0, 1] == dataset.encoder.number_bins[1]


def test_small_batches_change_nothing(monkeypatch: pytest.MonkeyPatch, dataset: EncodedDataset) -> None:
    class Crumbs(Table):
        def _read(self, columns: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
            whole = pa.RecordBatch.from_pandas(FRAME).select(list(columns))
            for start in range(0, len(FRAME), 13):
                yield whole.slice(start, 13)

    monkeypatch.setattr(encoder_module, "LARGE_BATCH_ROWS", 40)
    made = encode(Crumbs("crumbs", tuple(FRAME)), SCHEMA, split=COLUMN)
    assert_same_rows(made, dataset)
    assert made.fingerprint == dataset.fingerprint
    batches = list(made.encoder.transform(Crumbs("crumbs", tuple(FRAME))))
    assert sum(len(batch) for batch in batches) == len(FRAME)
    assert len(batches) == 12
