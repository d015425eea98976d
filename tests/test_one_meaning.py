"""One frame has one fingerprint and one set of scores, whatever file, frame type or runtime it goes through."""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import autofi
from autofi.data.encode import encode
from autofi.data.schema_inference import infer_schema
from autofi.export.export import export_bundle
from autofi.readers import open_table
from autofi.serving.app import create_app
from autofi.serving.served_model import ServedModel
from tests.export.models import model_of
from tests.serving.servers import running

ROWS = 600
TOLERANCE = 1e-6


def frame(rows: int = ROWS, seed: int = 3) -> pd.DataFrame:
    """Every kind of value that CSV, SQL and JSON can hold as well as Parquet."""
    draw = np.random.default_rng(seed)
    start = np.datetime64("2024-02-28T22:00:00", "us")
    at = start + draw.integers(0, 50, rows).astype("timedelta64[h]") + np.timedelta64(250_000, "us")
    day = np.datetime64("2024-01-01", "D") + draw.integers(0, 40, rows)
    user = draw.integers(0, 30, rows)
    click = draw.random(rows) < 1 / (1 + np.exp(-(user - 15) / 5))
    return pd.DataFrame(
        {
            "user": user,
            "gap": pd.array(
                np.where(draw.random(rows) < 0.1, None, draw.integers(100, 120, rows)), dtype="Int64"
            ),
            "price": np.where(draw.random(rows) < 0.1, np.nan, draw.lognormal(size=rows).round(2)),
            "bid": (draw.integers(1, 21, rows) / 10).astype("float32"),
            "flag": pd.array(
                np.where(draw.random(rows) < 0.1, None, draw.random(rows) < 0.5), dtype="boolean"
            ),
            "zip": [f"{value:05d}" for value in draw.integers(0, 20, rows)],
            "city": draw.choice(["Rome", "Oslo", "NA", "1.0"], rows),
            "at": pd.Series(at).dt.tz_localize("UTC"),
            "day": [day.astype(object) for day in day],
            "click": click.astype(int),
        }
    )


def to_sql(data: pd.DataFrame, folder: Path) -> dict[str, Any]:
    with sqlite3.connect(folder / "clicks.db") as connection:
        data.to_sql("clicks", connection, index=False)
    return {"source": f"sqlite:///{folder}/clicks.db", "query": "SELECT * FROM clicks ORDER BY rowid"}


def file(data: pd.DataFrame, folder: Path, name: str, write: Callable[[Path], Any]) -> dict[str, Any]:
    write(folder / name)
    return {"source": folder / name}


SOURCES: dict[str, Callable[[pd.DataFrame, Path], dict[str, Any]]] = {
    "csv": lambda data, at: file(data, at, "x.csv", lambda path: data.to_csv(path, index=False)),
    "tsv with NULL": lambda data, at: file(
        data, at, "x.tsv", lambda path: data.to_csv(path, sep="\t", index=False, na_rep="NULL")
    ),
    "csv by Polars": lambda data, at: file(
        data, at, "y.csv", lambda path: pl.from_pandas(data).write_csv(path)
    ),
    "parquet": lambda data, at: file(data, at, "x.parquet", lambda path: data.to_parquet(path, index=False)),
    "parquet in seconds and float64": lambda data, at: file(
        data, at, "y.parquet", lambda path: pq.write_table(other_types(data), path)
    ),
    "sql": to_sql,
    "numpy": lambda data, at: {"source": data.assign(gap=data["gap"].astype("float64"))},
    "nullable": lambda data, at: {"source": data.convert_dtypes(dtype_backend="numpy_nullable")},
    "arrow types": lambda data, at: {"source": data.convert_dtypes(dtype_backend="pyarrow")},
    "texts": lambda data, at: {"source": data.map(lambda value: None if pd.isna(value) else str(value))},
    "polars": lambda data, at: {"source": pl.from_pandas(data)},
    "lazy polars": lambda data, at: {"source": pl.from_pandas(data).lazy()},
    "arrow": lambda data, at: {"source": pa.Table.from_pandas(data, preserve_index=False)},
    "categories": lambda data, at: {"source": data.astype({"user": "category", "city": "category"})},
}


def other_types(data: pd.DataFrame) -> pa.Table:
    table = pa.Table.from_pandas(data, preserve_index=False)
    spelled = pa.array([None if pd.isna(value) else f"{value:.2f}" for value in data["price"]])
    for name, column in {
        "at": table["at"].cast(pa.timestamp("ms", "Europe/Berlin")),
        "bid": pa.array([float(str(value)) for value in data["bid"]]),
        "price": spelled.cast(pa.decimal128(12, 2)),
        "user": table["user"].cast(pa.float64()),
        "click": table["click"].cast(pa.bool_()),
    }.items():
        table = table.set_column(table.column_names.index(name), name, column)
    return table


def opened(given: dict[str, Any]) -> Any:
    return open_table(given["source"], query=given.get("query"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("meaning")


@pytest.fixture(scope="module")
def bundle(folder: Path) -> Path:
    """A model of tables, products, target encodings and trees of the table in memory, in all its forms."""
    table = open_table(pa.Table.from_pandas(frame(), preserve_index=False))
    model_of(table, streams=("linear",), most_pairs=3).write(folder / "whole")
    export_bundle(folder / "whole", folder / "model")
    return folder / "model"


@pytest.mark.parametrize("kind", SOURCES)
def test_a_frame_has_one_fingerprint(folder: Path, kind: str) -> None:
    expected = encode_of({"source": pa.Table.from_pandas(frame(), preserve_index=False)})
    found = encode_of(SOURCES[kind](frame(), folder_of(folder, kind)))
    assert found.encoder.schema.fields == expected.encoder.schema.fields
    np.testing.assert_array_equal(found.ids, expected.ids)
    np.testing.assert_array_equal(found.numbers, expected.numbers)
    assert found.fingerprint == expected.fingerprint


def encode_of(given: dict[str, Any]) -> Any:
    table = opened(given)
    return encode(table, infer_schema(table, target="click").schema)


def folder_of(folder: Path, kind: str) -> Path:
    found = folder / kind
    found.mkdir(exist_ok=True)
    return found


SCORED = frame(200, seed=9)


@pytest.mark.parametrize("runtime", ["onnx", "torch", "pt2"])
def test_scores_are_the_same_from_every_source_in_every_runtime(
    folder: Path, bundle: Path, runtime: Any
) -> None:
    expected = autofi.load(bundle, runtime="torch").predict_proba(SCORED)
    assert expected.std() > 0.01
    predictor = load(bundle, runtime)
    for kind, source in SOURCES.items():
        given = source(SCORED, folder_of(folder, f"{runtime} {kind}"))
        found = predictor.predict_proba(given["source"], query=given.get("query"))
        np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE, err_msg=kind)


def load(bundle: Path, runtime: Any) -> Any:
    return autofi.load(bundle, runtime=runtime, trust=runtime == "pt2")


def json_rows(times: str) -> list[dict[str, Any]]:
    """Rows as Python's json writes them; `times` is how moments are written."""
    rows = []
    for row in SCORED.drop(columns="click").to_dict("records"):
        row = {key: None if pd.isna(value) else value for key, value in row.items()}
        row["at"] = row["at"].isoformat() if times == "iso" else str(row["at"])
        row["bid"] = float(str(row["bid"]))
        rows.append(json.loads(json.dumps(row, default=str)))
    return rows


@pytest.mark.parametrize("times", ["iso", "str"])
def test_the_server_scores_json_rows_and_tensors_alike(bundle: Path, times: str) -> None:
    predictor = autofi.load(bundle, runtime="onnx")
    expected = predictor.predict_proba(SCORED)
    rows = json_rows(times)
    with running(create_app(ServedModel.of(predictor, "ctr"))) as client:
        answer = client.post("/predict", json={"rows": rows})
        assert answer.status_code == 200, answer.text
        np.testing.assert_allclose(answer.json()["probabilities"], expected, rtol=0, atol=TOLERANCE)
        inputs = [tensor(name, rows) for name in predictor.schema.names]
        answer = client.post("/v2/models/ctr/infer", json={"inputs": inputs})
        assert answer.status_code == 200, answer.text
        np.testing.assert_allclose(answer.json()["outputs"][0]["data"], expected, rtol=0, atol=TOLERANCE)


#: The datatype that a client would choose by the frame's type.
DATATYPES = {"user": "INT32", "gap": "FP64", "price": "FP32", "bid": "FP32", "flag": "BOOL"}


def tensor(name: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    datatype = DATATYPES.get(name, "BYTES")
    return {"name": name, "shape": [len(rows)], "datatype": datatype, "data": [row[name] for row in rows]}


@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")
def test_mlflow_scores_frames_alike(bundle: Path) -> None:
    from autofi.export.mlflow_model import PythonFunction

    expected = autofi.load(bundle, runtime="torch").predict_proba(SCORED)
    loaded = PythonFunction(str(bundle))
    for kind in ("numpy", "nullable", "arrow types", "texts"):
        found = loaded.predict(SOURCES[kind](SCORED, bundle)["source"])
        np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE, err_msg=kind)


def test_a_search_on_csv_is_that_on_parquet(tmp_path: Path) -> None:
    data = frame(300)
    data.to_csv(tmp_path / "x.csv", index=False)
    data.to_parquet(tmp_path / "x.parquet", index=False)
    found = {}
    for name in ("x.csv", "x.parquet"):
        study = autofi.search(
            tmp_path / name,
            target="click",
            space="fm",
            study=name.replace(".", " "),
            storage=f"sqlite:///{tmp_path}/studies.db",
            trials=2,
            seeds=1,
            baselines=[],
        )
        trials = study.leaderboard()
        found[name] = (
            study.findings().record.data_fingerprint,
            trials[["architecture_id", "valid_auc", "valid_logloss"]].to_dict("records"),
            study.summary()["winner"]["test"]["auc"],
        )
    assert found["x.csv"] == found["x.parquet"]


def test_a_value_beyond_what_training_had_is_read_alike(folder: Path, bundle: Path) -> None:
    row = SCORED.head(1).drop(columns="click").iloc[0].to_dict()
    spellings: dict[str, list[Any]] = {
        "user": [7, 7.0, "7", "7.0", "+7", " 7 ", "7e0", np.float32(7)],
        "flag": [True, "True", "true", "TRUE", 1, "1", 1.0],
        "gap": [None, "", "NA", "null", "-", float("nan")],
        "price": [0.1, "0.1", " 0.10", np.float32(0.1), "1e-1"],
        "at": [dt.datetime(2024, 2, 29), "2024-02-29", "2024-02-29T00:00:00Z", "2024-02-29 02:00:00+02:00"],
    }
    for runtime in ("onnx", "torch"):
        predictor = load(bundle, runtime)
        for name, values in spellings.items():
            scores = [predictor.predict_proba(pd.DataFrame([row | {name: value}]))[0] for value in values]
            np.testing.assert_allclose(scores, scores[0], rtol=0, atol=1e-9, err_msg=name)
