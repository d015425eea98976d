from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from autofi.errors import DataError
from autofi.readers import Table, json_lines as json_rows, open_table

ROWS: list[dict[str, Any]] = [
    {"user": 7, "when": "2024-01-02 03:04:05", "tags": ["a", "b"], "ok": True, "n": 1.5},
    {"user": None, "tags": [], "ok": False, "late": "x"},
    {"user": 2**53 + 1, "when": "2024-01-02T03:04:05.5", "n": 2},
]
COLUMNS = ("user", "when", "tags", "ok", "n", "late")


def write(folder: Path, text: str | bytes, name: str = "x.jsonl") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def lines(rows: list[dict[str, Any]]) -> str:
    return "".join(f"{json.dumps(row)}\n" for row in rows)


def read(table: Table) -> list[dict[str, Any]]:
    return [row for batch in table.batches() for row in batch.to_pylist()]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x.jsonl", lines(ROWS)),
        ("x.ndjson", f"\n{lines(ROWS)}\n".replace("\n", "\r\n")),
        ("x.jsonl.gz", gzip.compress(lines(ROWS).encode())),
        ("x.json", json.dumps(ROWS)),
        ("x.json", json.dumps({"rows": ROWS}, indent=1)),
        ("x.json", lines(ROWS)),
        ("x.json", lines(ROWS).encode("utf-16")),
        ("x.jsonl", lines(ROWS).encode("utf-8-sig")),
    ],
)
def test_rows_are_read_by_value(tmp_path: Path, name: str, text: str | bytes) -> None:
    table = open_table(write(tmp_path, text, name))
    assert table.columns == COLUMNS
    expected = [{column: row.get(column) for column in COLUMNS} for row in ROWS]
    assert read(table) == read(table) == expected
    assert [row["user"] for row in read(table)][2] == 2**53 + 1


def test_frames_that_pandas_writes_come_back(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"user": draw.integers(0, 9, 50), "city": draw.choice(list("abc"), 50), "n": draw.random(50)}
    )
    frame.to_json(tmp_path / "x.jsonl", orient="records", lines=True)
    frame.to_json(tmp_path / "x.json", orient="records")
    for name in ("x.jsonl", "x.json"):
        found = pd.DataFrame(read(open_table(tmp_path / name)))
        pd.testing.assert_frame_equal(found, frame, check_dtype=False, rtol=1e-9)


def test_types_that_change_late_are_levelled_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_rows, "_BLOCK_BYTES", 64)
    rows: list[dict[str, Any]] = [{"x": None, "n": 1, "m": 1, "late": None} for _ in range(50)]
    rows += [{"x": "a", "n": 2.5, "m": "b", "late": ["c"], "new": 1} for _ in range(50)]
    table = open_table(write(tmp_path, lines(rows)))
    assert table.columns == ("x", "n", "m", "late", "new")
    assert read(table) == [{"new": None, **row} for row in rows]
    assert table.remarks == {"m": "values of several types are read as texts"}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.jsonl", '{"a": 1}\n{"a": 2\n', "Line 2 of "),
        ("x.jsonl", '{"a": 1}\n\n[1]\n', "Line 3 of .*it is a list"),
        ("x.jsonl", b'{"a": "\xff"}\n', "Line 1 of .*utf-8"),
        ("x.jsonl", '{"a": ' + "[" * 100_000 + "\n", "Line 1 of "),
        ("x.jsonl", "", "has no rows"),
        ("x.jsonl", "\n\n", "has no rows"),
        ("x.json", "[1, 2]", "Row 1 of .* is not a JSON object"),
        ("x.json", "[]", "has no rows"),
        ("x.json", '{"a": {"0": 1}, "b":\n {"0": 2}}', "not an array of rows"),
        ("x.json", "[" * 100_000, "is not JSON"),
        ("x.json", '[{"a": 1}', "is not JSON"),
        ("x.json", "", "has no rows"),
        ("x.jsonl", '{"a": 1, "a": 2}\n{"a": [1]}\n{"a": "x"}\n', None),
    ],
)
def test_what_is_no_row_is_refused_by_its_place(
    tmp_path: Path, name: str, text: str | bytes, message: str | None
) -> None:
    path = write(tmp_path, text, name)
    if message is None:  # a column of lists and others is there, and not read
        assert open_table(path).columns == ("a",)
        return
    with pytest.raises(DataError, match=message) as refused:
        open_table(path)
    assert "\n" not in str(refused.value)
