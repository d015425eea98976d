"""Delimiter and header of delimited text, told or found over several lines."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from autofi.errors import DataError
from autofi.readers import Table, open_table

ROWS = 300


def table(folder: Path, text: str, name: str = "x.csv", **options: object) -> Table:
    path = folder / name
    path.write_bytes(text.encode())
    return open_table(path, **options)  # type: ignore[arg-type]


def count(opened: Table) -> int:
    return sum(batch.num_rows for batch in opened.batches())


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ('"a,b";"click"\n"x";0\n"y, z";1\n', [{"a,b": "x", "click": "0"}, {"a,b": "y, z", "click": "1"}]),
        (
            "price (net, €);click\n1;0\n2;1\n",
            [{"price (net, €)": "1", "click": "0"}, {"price (net, €)": "2", "click": "1"}],
        ),
        ("prix;click\n1,5;0\n2,5;1\n", [{"prix": "1,5", "click": "0"}, {"prix": "2,5", "click": "1"}]),
        ("1,5;2,5\n3,5;4,5\n", [{"c0": "1,5", "c1": "2,5"}, {"c0": "3,5", "c1": "4,5"}]),
        ("1.234,5;2,5\n3,5;4,5\n", [{"c0": "1.234,5", "c1": "2,5"}, {"c0": "3,5", "c1": "4,5"}]),
        ("user,tags,click\n1,a;b,0\n", [{"user": "1", "tags": "a;b", "click": "0"}]),  # two in every row
        ("user,tags,click\n1,a|b,0\n", [{"user": "1", "tags": "a|b", "click": "0"}]),
        ("a\tb\n1,5\t0\n2,5\t1\n", [{"a": "1,5", "b": "0"}, {"a": "2,5", "b": "1"}]),
        ("tags\na|b\nc|d\n", [{"tags": "a|b"}, {"tags": "c|d"}]),  # a first line that is one name
        ("tags\na;b\nc;d;e\nf\n", [{"tags": "a;b"}, {"tags": "c;d;e"}, {"tags": "f"}]),
        ("click\n0\n1\n", [{"click": "0"}, {"click": "1"}]),
        ("a|b\n1, 2|0\n3|1\n", [{"a": "1, 2", "b": "0"}, {"a": "3", "b": "1"}]),
        ('a;b\n"1\n2;3";4\n', [{"a": "1\n2;3", "b": "4"}]),  # a line end and a delimiter inside quotes
        ("sep=;\na;b\n1,5;2\n", [{"a": "1,5", "b": "2"}]),  # as Excel reads it
        ("sep=|\r\n\r\na|b\r\n1;5|2;3\r\n", [{"a": "1;5", "b": "2;3"}]),
        ("\ufeffa,b\r\n1,2\r\n", [{"a": "1", "b": "2"}]),
        ("a,b\r1,2\r3,4\r", [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]),  # line ends of an old Mac
        ("\r\n\r\na,b\r\n1,2\r\n", [{"a": "1", "b": "2"}]),
    ],
)
def test_the_delimiter_is_found_over_several_lines(
    tmp_path: Path, text: str, rows: list[dict[str, str]]
) -> None:
    assert [row for batch in table(tmp_path, text).batches() for row in batch.to_pylist()] == rows


@pytest.mark.parametrize("text", ["My report\nuser;click\n1;0\n2;1\n", "\nuser\n1,0\n2,1\n"])
def test_a_first_line_of_one_cell_above_rows_is_refused_with_its_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError, match=f"Line {1 + text.startswith(chr(10))} of .* has one cell"):
        table(tmp_path, text)


def test_the_delimiter_can_be_said(tmp_path: Path) -> None:
    assert table(tmp_path, "a,b;c\n1,2;3\n", delimiter=";").columns == ("a,b", "c")
    assert table(tmp_path, "a,b\n1,2\n", delimiter="tab").columns == ("a,b",)
    assert table(tmp_path, "a^b\n1^2\n", delimiter="^").columns == ("a", "b")
    assert table(tmp_path, "a,b\n1,2\n", "x.tsv", delimiter=",").columns == ("a", "b")
    for wrong in (";;", "", '"', "\n", "é"):
        with pytest.raises(DataError, match="is not a single ASCII character"):
            table(tmp_path, "a,b\n1,2\n", delimiter=wrong)


def written(frame: pd.DataFrame, **options: object) -> str:
    file = io.StringIO()
    frame.to_csv(file, **options)  # type: ignore[call-overload]
    return file.getvalue()


def frames() -> dict[str, pd.DataFrame]:
    draw = np.random.default_rng(0)
    click = draw.integers(0, 2, ROWS)
    texts = {name: draw.choice(list("abc"), ROWS) for name in ("R&D", "CTR %", "prix (€)", "NA", "1st name")}
    digits = pd.DataFrame(draw.integers(0, 9, (ROWS, 5)))
    return {
        "integers and click": digits.assign(click=click),
        "integers, some dropped": digits.drop(columns=[1, 3]).assign(click=click),
        "integers only": digits,
        "integers above text": pd.DataFrame(draw.choice(list("abc"), (ROWS, 2))),
        "years": pd.DataFrame({"user": draw.integers(0, 9, ROWS), 2019: click, 2020: click}),
        "None": pd.DataFrame({"None": draw.choice(list("abc"), ROWS), "click": click}),
        "marks above text only": pd.DataFrame(
            {"NA": texts["NA"], "city": draw.choice(["Rome", "Oslo"], ROWS)}
        ),
        "text only": pd.DataFrame(texts),
        "one text column": pd.DataFrame({"R&D": texts["R&D"]}),
        "days": pd.DataFrame({"2024-01-01": draw.integers(0, 9, ROWS), "2024-01-02": click, "click": click}),
        "booleans": pd.DataFrame(
            {"y": draw.choice(["y", "n", "t"], ROWS), "ok": draw.choice([True, False], ROWS)}
        ),
        "times": pd.DataFrame({"when": pd.date_range("2024-01-01", periods=ROWS), "user": np.arange(ROWS)}),
        "few rows of names": pd.DataFrame({"R&D": ["ann", "bob"], "CTR %": ["Rome", "Oslo"]}),
        "# and €": pd.DataFrame({"# clicks": ["x y", "z"], "€": ["Rome", "Oslo"]}),
    }


@pytest.mark.parametrize("name", frames())
def test_a_header_of_any_names_is_found_and_the_same_rows_without_it_have_none(
    tmp_path: Path, name: str
) -> None:
    frame = frames()[name]
    opened = table(tmp_path, written(frame, index=False))
    assert opened.columns == tuple(map(str, frame.columns))
    assert count(opened) == len(frame)
    if len(frame) == ROWS:
        bare = table(tmp_path, written(frame, index=False, header=False))
        assert bare.columns == tuple(f"c{place}" for place in range(frame.shape[1]))
        assert count(bare) == len(frame)


def test_a_header_that_does_not_look_like_one_is_told(tmp_path: Path) -> None:
    (note,) = table(tmp_path, "0,1,2,click\n5,3,1,0\n5,3,2,1\n").notes
    assert "(0, 1, 2, click) is read as the header" in note and "--no-header" in note
    assert table(tmp_path, "user,click\n5,0\n3,1\n").notes == ()


@pytest.mark.parametrize(
    "text",
    [
        "0,1,1,68fd1e64\n1,1,2,80e26c9b\n0,,3,25c83c98\n",  # the form of Criteo
        "0,2,5\n1,3,4\n0,1,2\n",
        "0,1\n1,0\n",
        "3,1,2,4\n1,2,2,0\n1,2,3,3\n",
        "1.5,ann\n2.5,bob\n",
        "u1,i7\nu2,i9\nu3,i2\n",
        "2024-01-01,ann\n2024-01-02,bob\n",
        "NA,Rome\n3,Oslo\n4,Rome\n",
        "true,ann\nfalse,bob\n",
    ],
)
def test_first_rows_of_values_are_no_header(tmp_path: Path, text: str) -> None:
    opened = table(tmp_path, text)
    assert opened.columns == tuple(f"c{place}" for place in range(text.splitlines()[0].count(",") + 1))
    assert count(opened) == text.count("\n")


@pytest.mark.parametrize(
    ("text", "names", "columns", "rows"),
    [
        ("R&D,city\na,Rome\nb,Oslo\na,R&D\n", ("R&D", "city"), ("R&D", "city"), 3),
        ("R&D,city\na,Rome\n", ("city",), ("R&D", "city"), 1),
        ("3,1\n5,4\n", ("1", "3"), ("3", "1"), 1),
        ("2024-01-01,true\na,b\n", ("true",), ("2024-01-01", "true"), 1),
        ("user,city\nann,Rome\n", ("c0", "c1"), ("c0", "c1"), 2),  # a model of a table without a header
        ("c1,c0\nann,Rome\n", ("c0", "c1"), ("c1", "c0"), 1),
        ("user,hour\nann,7\nbob,8\n", ("c0", "c1"), ("user", "hour"), 2),  # the number shows the header
        ("a;b\nx,1;y,2\n", ("a", "b"), ("a", "b"), 1),
        ("name, first\nx\n", ("name, first",), ("name, first",), 1),
        (",city\n0,Rome\n", ("c0", "city"), ("c0", "city"), 1),
    ],
)
def test_a_first_row_of_expected_names_is_the_header(
    tmp_path: Path, text: str, names: tuple[str, ...], columns: tuple[str, ...], rows: int
) -> None:
    opened = table(tmp_path, text, names=names)
    assert opened.columns == columns
    assert count(opened) == rows


def test_columns_before_the_first_name_are_an_index(tmp_path: Path) -> None:
    frame = frames()["integers and click"]
    opened = table(tmp_path, written(frame))
    assert opened.columns == ("c0", *map(str, frame.columns))
    assert set(opened.left_out) == {"c0"}
    assert count(opened) == len(frame)
    two = table(tmp_path, ",,c0,click\n0,0,x,1\n0,1,y,0\n")
    assert two.columns == ("c0_", "c1", "c0", "click")
    assert set(two.left_out) == {"c0_", "c1"}
    assert not table(tmp_path, "user,,click\n0,0,1\n").left_out


def test_utf_16_and_32_are_read(tmp_path: Path) -> None:
    frame = pd.DataFrame({"prix (€)": ["1,5", "2,5"], "click": [0, 1]})
    for encoding in ("utf-16", "utf-32", "utf-8-sig"):
        (tmp_path / "x.csv").write_bytes(written(frame, index=False, sep="\t").encode(encoding))
        opened = open_table(tmp_path / "x.csv")
        assert [row for batch in opened.batches() for row in batch.to_pylist()] == [
            {"prix (€)": "1,5", "click": "0"},
            {"prix (€)": "2,5", "click": "1"},
        ]


@pytest.mark.parametrize("length", [200_000, 10_000_000])
@pytest.mark.parametrize("early", [True, False])
def test_long_cells_are_read_wherever_they_stand(tmp_path: Path, length: int, early: bool) -> None:
    short = [f"{place},u{place % 5},{place % 2}\n" for place in range(3000)]
    place = 1 if early else 2500
    short[place] = f"{'x' * length},u1,1\n"
    opened = table(tmp_path, "history,user,click\n" + "".join(short))
    for _ in range(2):
        lengths = np.concatenate([batch.column(0).to_numpy(False) for batch in opened.batches()])
        assert len(lengths) == len(short)
        assert len(lengths[place]) == length
        assert lengths[2999] == "2999"


@pytest.mark.parametrize("early", [True, False])
def test_a_row_beyond_the_limit_is_refused_wherever_it_stands(tmp_path: Path, early: bool) -> None:
    short = "1,u1,1\n" * 300_000
    long = f"{'x' * (65 << 20)},u1,1\n"
    opened = table(tmp_path, "history,user,click\n" + (long + short if early else short + long))
    with pytest.raises(DataError, match="row of more than 64 MB") as refused:
        count(opened)
    assert "\n" not in str(refused.value)


def test_wide_tables_are_read_in_few_batches(tmp_path: Path) -> None:
    width, rows = 20_000, 150
    header = ",".join(f"column_number_{place}" for place in range(width))
    assert len(header) > 1 << 18
    line = ",".join(str(place % 7) for place in range(width))
    opened = table(tmp_path, f"{header}\n" + f"{line}\n" * rows)
    assert len(opened.columns) == width
    batches = list(opened.batches())
    assert len(batches) == 1 and batches[0].num_rows == rows
    assert batches[0].column(width - 1).to_pylist() == [str((width - 1) % 7)] * rows
