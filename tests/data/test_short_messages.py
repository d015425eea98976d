"""A refusal of a table is one readable line, however long its values and names and however many its columns."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from autofi.data.encode import encode
from autofi.data.schema_inference import infer_schema
from autofi.data.schema_overrides import SchemaOverrides
from autofi.data.split import SplitSpec
from autofi.errors import DataError, listed, nearest, short, shown
from autofi.readers import open_table

ROWS = 60
LONG = "x" * 200_000
CLICK = [0, 1] * (ROWS // 2)
MOST = 12_000


def read(columns: dict[str, list[Any]], said: SchemaOverrides | None = None, split: str = "random") -> None:
    table = open_table(pd.DataFrame(columns))
    encode(table, infer_schema(table, overrides=said).schema, split=SplitSpec.parse(split))


def names(*given: str) -> pa.Table:
    return pa.table([pa.array([0, 1])] * len(given), names=list(given))


REFUSED: dict[str, Callable[[], object]] = {
    "target": lambda: read({"a": CLICK, "click": [*CLICK[1:], LONG]}),
    "weight": lambda: read(
        {"a": CLICK, "w": ["1"] * (ROWS - 1) + [LONG], "click": CLICK}, SchemaOverrides(weight="w")
    ),
    "numeric": lambda: read(
        {"a": ["1"] * (ROWS - 1) + [LONG], "click": CLICK}, SchemaOverrides(numeric=("a",))
    ),
    "bytes": lambda: read(
        {"a": CLICK, "g": [b"\xff" * 99_999] * ROWS, "click": CLICK}, SchemaOverrides(group="g")
    ),
    "time": lambda: read({"a": CLICK, "t": [LONG] * ROWS, "click": CLICK}, split="time:t"),
    "part": lambda: read(
        {"a": CLICK, "s": ["train"] * (ROWS - 1) + [LONG], "click": CLICK}, split="column:s"
    ),
    "name": lambda: open_table(names(LONG, LONG)),
    "names": lambda: infer_schema(
        open_table(names(*(f"column {place}" for place in range(20_000)))), target="clik"
    ),
    "no target": lambda: infer_schema(open_table(names(*(f"column {place}" for place in range(20_000))))),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_is_short(case: str) -> None:
    with pytest.raises(DataError) as caught:
        REFUSED[case]()
    message = str(caught.value)
    assert len(message) < MOST and "\n" not in message


def test_json_of_columns_is_refused_in_a_short_line(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(json.dumps({"a": [1] * 50_000, "click": [0, 1] * 25_000}))
    with pytest.raises(DataError, match="Row 1 of column 'click'") as caught:
        infer_schema(open_table(tmp_path / "x.json"))
    assert len(str(caught.value)) < MOST


def test_what_is_short_stands_whole() -> None:
    assert short("abc") == "abc" and short("x" * 121) == "x" * 117 + "..."
    assert shown("it's") == '"it\'s"' and shown(7.5) == "7.5"
    assert listed(["a", "b"]) == "a, b"
    assert listed([str(place) for place in range(62)]).endswith("58, 59 and 2 more")
    assert nearest("citi", ["user", "city"]) == "did you mean 'city'? Known: city, user."


def test_files_of_other_kinds_that_are_named_as_text_are_called_what_they_are(tmp_path: Path) -> None:
    whole = io.BytesIO()
    pq.write_table(names("a", "click"), whole)
    for begins, what in (
        (whole.getvalue(), "Parquet"),
        (b"PK\x03\x04" + bytes(99), "a ZIP archive or an Excel workbook"),
    ):
        (tmp_path / "x.csv").write_bytes(begins)
        with pytest.raises(DataError, match=f"holds {what}, not delimited text"):
            open_table(tmp_path / "x.csv")
