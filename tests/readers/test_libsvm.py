from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from autofi.errors import DataError
from autofi.readers import open_table


def write(folder: Path, text: str, name: str = "x.libsvm") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def columns(path: Path) -> dict[str, list[object]]:
    return pa.Table.from_batches(list(open_table(path).batches())).to_pydict()


def test_one_hot_lines_become_a_column_per_place(tmp_path: Path) -> None:
    text = "1 3:1 107:1\n\n# a comment\n-1 12:1 5:1 # unsorted\n"
    expected = {"label": [1, -1], "f0": [3, 12], "f1": [107, 5]}
    assert columns(write(tmp_path, text)) == expected
    assert columns(write(tmp_path, text, "x.txt")) == expected


def test_places_with_one_index_hold_the_value(tmp_path: Path) -> None:
    assert columns(write(tmp_path, "1 0:0.5 7:1\n0 0:2 8:1\n")) == {
        "label": [1, 0],
        "f0": [0.5, 2],
        "f1": [7, 8],
    }


def test_lines_of_different_forms_become_a_column_per_index(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    dense = generator.integers(0, 3, (50, 6)) * generator.random((50, 6)).round(2)
    lines = [
        " ".join([str(i % 2), *(f"{j * 10}:{value}" for j, value in enumerate(row) if value)])
        for i, row in enumerate(dense)
    ]
    read = columns(write(tmp_path, "\n".join(lines)))
    assert list(read) == ["label", "i0", "i10", "i20", "i30", "i40", "i50"]
    np.testing.assert_array_equal(np.array([read[f"i{j * 10}"] for j in range(6)]).T, dense)


def test_many_indices_of_value_one_become_a_list(tmp_path: Path) -> None:
    lines = [[i, *range(2000, 2000 + i % 3)] for i in range(1200)]
    text = "".join(
        f"{i % 2} " + " ".join(f"{index}:1" for index in line) + "\n" for i, line in enumerate(lines)
    )
    path = write(tmp_path, text)
    assert columns(path)["features"] == lines
    path.write_text(text + "0 5000:0.5\n")
    with pytest.raises(DataError, match="more than 1000 indices"):
        open_table(path)


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("1 3:x", "1 3:x"),
        ("yes 3:1", "yes 3:1"),
        ("1 3:1 3:2", "1 3:1 3:2"),
        ("1 2:3:1", "2:3:1"),
        ("3:1", "3:1"),
    ],
)
def test_other_lines_are_refused_with_their_number(tmp_path: Path, line: str, shown: str) -> None:
    path = write(tmp_path, f"1 2:1\n\n0 3:1\n{line}\n")
    with pytest.raises(DataError, match=f"Line 4 of .*{shown}"):
        open_table(path)


def test_a_file_without_lines_is_refused(tmp_path: Path) -> None:
    for text in ("", "\n", "# nothing\n"):
        with pytest.raises(DataError, match="has no rows"):
            open_table(write(tmp_path, text))
