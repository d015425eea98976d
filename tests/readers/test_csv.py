from __future__ import annotations

import codecs
import csv
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from autofi.errors import DataError
from autofi.readers import open_table

CELLS = st.text(
    st.characters(codec="utf-8", exclude_characters="\x00\r", exclude_categories=["Cs"]), max_size=6
)


def write(folder: Path, text: str | bytes, name: str = "x.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def rows(path: Path, *, header: bool | None = None) -> list[dict[str, str | None]]:
    return pa.Table.from_batches(list(open_table(path, header=header).batches())).to_pylist()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5), st.sampled_from(",\t;|"))
def test_what_the_csv_module_writes_is_read_back(
    tmp_path: Path, cells: list[tuple[str, str]], delimiter: str
) -> None:
    path = tmp_path / "x.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL)
        writer.writerow(("first", "second"))
        writer.writerows(cells)
    expected = [{"first": first or None, "second": second or None} for first, second in cells]
    assert rows(path, header=True) == expected


@pytest.mark.parametrize(
    ("text", "columns", "count"),
    [
        ("label,city\n0,Rome\n1,Oslo\n", ("label", "city"), 2),  # a number below a text
        ("user,city\nann,Rome\nbob,Oslo\n", ("user", "city"), 2),  # names that do not come again
        ("ann,Rome\nbob,Rome\n", ("c0", "c1"), 2),  # one that does
        ("0,1,68fd1e64\n1,,80e26c9b\n", ("c0", "c1", "c2"), 2),  # the form of Criteo
        ("NA,Rome\n3,Oslo\n", ("c0", "c1"), 2),  # a missing value is no name
        (",city\n0,Rome\n1,Oslo\n", ("c0", "city"), 2),  # a pandas index
        ("\n\nlabel,city\n\n0,Rome\n", ("label", "city"), 1),  # blank lines
        ('"label","the\ncity"\n0,Rome\n', ("label", "the\ncity"), 1),
        ("0,Rome\n", ("c0", "c1"), 1),
    ],
)
def test_the_header_is_found(tmp_path: Path, text: str, columns: tuple[str, ...], count: int) -> None:
    table = open_table(write(tmp_path, text))
    assert table.columns == columns
    assert sum(batch.num_rows for batch in table.batches()) == count


def test_the_header_can_be_said(tmp_path: Path) -> None:
    path = write(tmp_path, "2023,2024\n1,2\n")
    assert rows(path, header=True) == [{"2023": "1", "2024": "2"}]
    assert rows(path, header=False)[0] == {"c0": "2023", "c1": "2024"}


def test_tsv_and_txt(tmp_path: Path) -> None:
    assert rows(write(tmp_path, "a\tb\n1,5\t2\n", "x.tsv")) == [{"a": "1,5", "b": "2"}]
    assert rows(write(tmp_path, "a\tb\n1\t2\n", "x.txt")) == [{"a": "1", "b": "2"}]


def test_quotes_line_ends_byte_order_marks_and_empty_cells(tmp_path: Path) -> None:
    path = write(tmp_path, b'\xef\xbb\xbfa,b\r\n1,"x,\n""y"""\r\n3,""\r\n5" pipe,z')
    assert rows(path) == [{"a": "1", "b": 'x,\n"y"'}, {"a": "3", "b": None}, {"a": '5" pipe', "b": "z"}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n\n3,4\n5,6,7\n8,9\n", "Line 5 .* has 3 cells and the first row has 2"),
        ('a,b\n1,"x\ny"\n3\n', "Line 4 .* has 1 cells and the first row has 2"),
        ("a,b\n" + "1,2\n" * 70_000 + "1\n", "Line 70002 "),
        ('a,b\n1,2\n1,"never closed\n3,4\n', "starts in line 3 "),
        (b"a,b\n1,2\n3,caf\xe9\n", r"Line 3 .* holds b'\\xe9'.*iconv"),
        ("a,b\n1,ü\n".encode("utf-16-le"), r"NUL bytes.*utf-16le"),
        (codecs.BOM_UTF16_LE + b"a\0,\0b\0\n\x00\x00\xd8\n\0", "UTF-16"),
    ],
)
def test_damaged_text_is_refused_with_its_line(tmp_path: Path, text: str | bytes, message: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(DataError, match=message) as error:
        rows(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_damaged_compressed_file_is_refused(tmp_path: Path) -> None:
    import gzip

    path = write(tmp_path, gzip.compress(b"a,b\n" + b"1,2\n" * 1000)[:-12], "x.csv.gz")
    with pytest.raises(DataError, match=r"x\.csv\.gz cannot be read"):
        rows(path)
