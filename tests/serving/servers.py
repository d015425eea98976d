"""An application behind a real socket, and rows to ask it about with what a predictor says of each alone."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import uvicorn
from fastapi import FastAPI
from numpy.typing import NDArray

from autofi.bundle.predictor import Predictor
from autofi.data.schema import Schema
from tests.export.models import make_unseen

#: Scoring rows together or alone rounds differently, in float32.
TOLERANCE = 1e-6
Row = dict[str, Any]


@contextmanager
def running(app: FastAPI, *, http: Any = "auto") -> Iterator[httpx.Client]:
    """A client of the application, served from a thread, by this protocol of Uvicorn's."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, ws="none", http=http))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with httpx.Client(base_url=url, timeout=60) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()


def rows_of(count: int) -> list[Row]:
    """Rows of every kind of value as JSON has them, some missing or never seen; tags as lists in every other row."""
    rows = make_unseen(1000).slice(0, count).to_pylist()
    for row in rows[::2]:
        row["tags"] = row["tags"].split("|") if row["tags"] else []
    return rows


def expected(predictor: Predictor, rows: Sequence[Row]) -> NDArray[np.float64]:
    """The probability of every row, scored alone as a table of the types that its values have."""
    return np.concatenate([predictor.predict_proba(_table(row, predictor.schema)) for row in rows])


def tensors_of(rows: Sequence[Row], schema: Schema) -> list[dict[str, Any]]:
    """The same rows as flat tensors of the types that the metadata names."""
    made = []
    for field in schema.fields:
        values = [row.get(field.name) for row in rows]
        texts = ["|".join(value) if isinstance(value, list) else value for value in values]
        datatype = "FP64" if field.kind == "numeric" else "BYTES"
        made.append({"name": field.name, "shape": [len(rows)], "datatype": datatype, "data": texts})
    return made


def _table(row: Row, schema: Schema) -> pa.Table:
    values = {field.name: row.get(field.name) for field in schema.fields}
    for field in schema.fields:
        # Alone in a column, true would be 1 where a categorical field has a place on the number line.
        if field.kind != "numeric" and isinstance(values[field.name], bool):
            values[field.name] = str(values[field.name]).lower()
    return pa.table({name: pa.array([value]) for name, value in values.items()})
