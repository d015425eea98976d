from __future__ import annotations

import contextlib
from pathlib import Path

import pyarrow as pa
import pyarrow.feather
import pytest

from autofi.errors import DataError
from autofi.readers import open_table

CLICKS = pa.table({"user": [7, None, 9], "city": ["Rome", "Paris, FR", None], "tags": [["a", "b"], [], None]})


def stream(table: pa.Table, path: Path) -> None:
    with pa.ipc.new_stream(str(path), table.schema) as writer:
        writer.write_table(table, max_chunksize=2)


def file(table: pa.Table, path: Path) -> None:
    with pa.ipc.new_file(str(path), table.schema) as writer:
        writer.write_table(table, max_chunksize=2)


@pytest.mark.parametrize("name", ["x.arrow", "x.ipc", "x.feather"])
@pytest.mark.parametrize("write", [stream, file, pyarrow.feather.write_feather])
def test_arrow_files_and_streams_are_read_with_their_types(tmp_path: Path, write: object, name: str) -> None:
    write(CLICKS, tmp_path / name)  # type: ignore[operator]
    table = open_table(tmp_path / name)
    for columns in (CLICKS.column_names, ["tags", "user"]):
        read = [row for batch in table.batches(columns) for row in batch.to_pylist()]
        assert read == CLICKS.select(columns).to_pylist()


def test_damaged_and_empty_arrow_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.arrow"
    for content, message in (
        (b"", "has no rows"),
        (b"label,city\n0,Rome\n", "x.arrow cannot be read as an Arrow file"),
    ):
        path.write_bytes(content)
        with pytest.raises(DataError, match=message):
            open_table(path)
    file(CLICKS.slice(0, 0), path)
    with pytest.raises(DataError, match="has no rows"):
        open_table(path)
    file(CLICKS, path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DataError, match="cannot be read as an Arrow file"):
        open_table(path)


def test_a_damaged_arrow_file_never_crashes(tmp_path: Path) -> None:
    path = tmp_path / "x.arrow"
    file(CLICKS, path)
    sound = path.read_bytes()
    for place in range(8, len(sound), 5):
        path.write_bytes(sound[:place] + bytes([sound[place] ^ 0x5F]) + sound[place + 1 :])
        with contextlib.suppress(DataError):
            rows = [row for batch in open_table(path).batches() for row in batch.to_pylist()]
            assert len(rows) <= 3
