"""A predictor gives raw rows the probabilities of the network that was exported."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
import sqlalchemy
from sklearn.metrics import log_loss, roc_auc_score

from autofi.bundle.load import load
from autofi.bundle.predictor import Predictor
from autofi.core.progress import SilentProgress
from autofi.errors import DataError
from autofi.readers import Table, open_table
from tests.export.models import Model, make_table, make_unseen

UNSEEN = make_unseen(10_000)


@pytest.fixture(scope="module")
def predictor(written: Path) -> Predictor:
    return load(written)


@pytest.fixture(scope="module")
def expected(model: Model) -> np.ndarray:
    return model.probabilities(UNSEEN)


def test_predictions_equal_the_network_in_memory(predictor: Predictor, expected: np.ndarray) -> None:
    found = predictor.predict_proba(UNSEEN)
    assert found.dtype == np.float64
    assert expected.std() > 0.05 and np.unique(expected.round(6)).size > 5000
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_predictions_do_not_depend_on_where_rows_come_from(
    predictor: Predictor, expected: np.ndarray, tmp_path: Path
) -> None:
    rows, expected = UNSEEN.slice(0, 2000), expected[:2000]
    frame = rows.to_pandas()
    pyarrow.parquet.write_table(rows, tmp_path / "rows.parquet")
    pyarrow.csv.write_csv(rows, tmp_path / "rows.csv")
    url = f"sqlite:///{tmp_path / 'rows.db'}"
    frame.to_sql("rows", sqlalchemy.create_engine(url), index=False)
    for source in (frame, pl.from_arrow(rows), str(tmp_path / "rows.parquet"), tmp_path / "rows.csv"):
        np.testing.assert_allclose(predictor.predict_proba(source), expected, rtol=0, atol=1e-6)
    found = predictor.predict_proba(url, query="SELECT * FROM rows")
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_delimited_text_is_divided_as_said(predictor: Predictor, tmp_path: Path) -> None:
    few = make_table(50, seed=5).to_pandas()
    expected = predictor.predict_proba(few)
    few.to_csv(tmp_path / "rows.csv", index=False, sep="^")
    for name in ("predict_proba", "evaluate"):
        with pytest.raises(DataError, match="is missing in"):
            getattr(predictor, name)(tmp_path / "rows.csv")
    found = predictor.predict_proba(tmp_path / "rows.csv", header=True, delimiter="^")
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    assert predictor.evaluate(tmp_path / "rows.csv", delimiter="^")["rows"] == 50
    assert predictor.predict_file(tmp_path / "rows.csv", tmp_path / "scores.csv", delimiter="^") == 50
    # An index that pandas writes, and other columns in another order, are no matter.
    few[few.columns[::-1]].to_csv(tmp_path / "rows.csv", sep=";")
    found = predictor.predict_proba(tmp_path / "rows.csv")
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_files_of_either_kind_hold_the_same_probabilities(predictor: Predictor, tmp_path: Path) -> None:
    expected = predictor.predict_proba(UNSEEN)
    for name in ("scores.csv", "scores.parquet", "SCORES.PQ"):
        (tmp_path / name).write_text("what was there before")
        assert predictor.predict_file(UNSEEN, tmp_path / name) == 10_000
    csv = pyarrow.csv.read_csv(tmp_path / "scores.csv")
    for table in (
        csv,
        *(pyarrow.parquet.read_table(tmp_path / name) for name in ("scores.parquet", "SCORES.PQ")),
    ):
        assert table.column_names == ["probability"]
        assert np.array_equal(table["probability"].to_numpy(), expected)
    assert (tmp_path / "scores.csv").read_text().startswith("probability\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["SCORES.PQ", "scores.csv", "scores.parquet"]


def test_evaluation_measures_what_scikit_learn_measures(predictor: Predictor) -> None:
    table = make_table(3000, seed=5)
    scores = predictor.predict_proba(table)
    labels = table["click"].to_numpy()
    found = predictor.evaluate(table)
    assert list(found) == ["rows", "auc", "logloss"]
    assert found["rows"] == 3000
    assert found["auc"] == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    assert found["logloss"] == pytest.approx(log_loss(labels, scores.clip(1e-7, 1 - 1e-7)), abs=1e-9)
    words = table.set_column(
        table.column_names.index("click"), "click", pa.array(np.where(labels == 1, "true", "false"))
    )
    assert predictor.evaluate(words) == found


def test_missing_columns_are_named_with_the_nearest(predictor: Predictor, tmp_path: Path) -> None:
    renamed = UNSEEN.rename_columns(["citty" if name == "city" else name for name in UNSEEN.column_names])
    for score in (predictor.predict_proba, lambda table: predictor.predict_file(table, tmp_path / "a.csv")):
        with pytest.raises(DataError, match="'city' is missing in the Arrow table; did you mean 'citty'"):
            score(renamed)
    with pytest.raises(DataError, match="has no column 'click'"):
        predictor.evaluate(UNSEEN)
    assert list(tmp_path.iterdir()) == []


def test_a_label_that_is_none_is_named_by_its_row(predictor: Predictor) -> None:
    table = make_table(100, seed=5)
    labels = table["click"].to_pylist()
    labels[41] = 2
    place = table.column_names.index("click")
    with pytest.raises(DataError, match="Row 42 .*'click'"):
        predictor.evaluate(table.set_column(place, "click", pa.array(labels)))


def test_an_impossible_output_is_refused_before_any_row_is_read(predictor: Predictor, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    pyarrow.csv.write_csv(UNSEEN, rows)
    before = rows.read_bytes()
    with pytest.raises(DataError, match=r"ends in '\.json', .* use one of \.csv, \.parquet, \.pq"):
        predictor.predict_file("no such source", tmp_path / "scores.json")
    with pytest.raises(DataError, match="no such source"):
        predictor.predict_file("no such source", tmp_path / "new" / "folder" / "scores.csv")
    assert not (tmp_path / "new").exists()
    predictor.predict_file(rows, tmp_path / "new" / "folder" / "scores.csv")
    assert (tmp_path / "new" / "folder" / "scores.csv").exists()
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(DataError, match="is a folder"):
        predictor.predict_file("no such source", tmp_path / "folder.csv")
    for source in (rows, str(tmp_path), str(tmp_path / "*.csv")):
        with pytest.raises(DataError, match="one of the files to be read"):
            predictor.predict_file(source, rows)
    assert rows.read_bytes() == before


class Stream(Table):
    """The same 500 rows over and over; fails after `fails_after` of them."""

    def __init__(self, repeats: int, *, fails_after: int | None = None) -> None:
        self.part = UNSEEN.slice(0, 500).combine_chunks()
        super().__init__("the stream", self.part.column_names)
        self.repeats, self.fails_after, self.rows_read = repeats, fails_after, 0

    def _read(self, columns: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
        for _ in range(self.repeats):
            if self.rows_read == self.fails_after:
                raise DataError("the stream broke")
            (batch,) = self.part.select(list(columns)).to_batches()
            self.rows_read += batch.num_rows
            yield batch


class Lag(SilentProgress):
    """How many rows were read and not yet scored, at most."""

    def __init__(self, stream: Stream) -> None:
        self.stream, self.scored, self.most = stream, 0, 0

    def advance(self, amount: int = 1, **figures: float | int | str) -> None:
        self.most = max(self.most, self.stream.rows_read - self.scored)
        self.scored += amount


def test_rows_are_scored_as_they_are_read(
    predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autofi.data.encoder.LARGE_BATCH_ROWS", 2000)
    stream = Stream(40)
    lag = Lag(stream)
    assert predictor.predict_file(stream, tmp_path / "scores.parquet", progress=lag) == 20_000
    assert lag.scored == 20_000
    assert lag.most == 2000
    found = pyarrow.parquet.read_table(tmp_path / "scores.parquet")["probability"].to_numpy()
    np.testing.assert_allclose(found[-500:], predictor.predict_proba(UNSEEN.slice(0, 500)), rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["scores.csv", "scores.parquet"])
def test_a_source_that_breaks_leaves_the_old_file_and_no_other(
    predictor: Predictor, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autofi.data.encoder.LARGE_BATCH_ROWS", 2000)
    output = tmp_path / name
    output.write_text("old")
    with pytest.raises(DataError, match="the stream broke"):
        predictor.predict_file(Stream(40, fails_after=6000), output)
    assert output.read_text() == "old"
    assert list(tmp_path.iterdir()) == [output]


def test_a_predictor_tells_what_it_is(predictor: Predictor, model: Model, written: Path) -> None:
    assert predictor.schema == model.builder.encoder.schema
    assert predictor.architecture == model.architecture
    assert predictor.metrics["refit"] is None
    assert predictor.origin["study"] == "mine"
    assert str(written) in repr(predictor) and "fields" in repr(predictor)
    assert json.dumps([predictor.metrics, predictor.origin])
    assert open_table(UNSEEN).columns != predictor.schema.names
