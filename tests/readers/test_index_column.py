"""An index that was written with the table is no field."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import autofi
from autofi import SchemaOverrides
from autofi.data.encode import encode
from autofi.readers import open_table

DRAW = np.random.default_rng(0)
FRAME = pd.DataFrame({"user": DRAW.integers(0, 9, 400), "click": DRAW.integers(0, 2, 400)})


def shuffled(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.sample(frac=1, random_state=0)


WRITTEN: dict[str, tuple[str, Callable[[Path], object]]] = {
    "csv": ("c0", lambda path: FRAME.to_csv(path / "x.csv")),
    "csv of shuffled rows": ("c0", lambda path: shuffled(FRAME).to_csv(path / "x.csv")),
    "csv with names of rows": (
        "c0",
        lambda path: FRAME.set_index(FRAME.index.map(str) + "r").to_csv(path / "x.csv"),
    ),
    "tsv": ("c0", lambda path: FRAME.to_csv(path / "x.tsv", sep="\t")),
    "csv read and written again": (
        "Unnamed: 0",
        lambda path: FRAME.reset_index(names="Unnamed: 0").to_csv(path / "x.csv", index=False),
    ),
    "parquet, read from csv": (
        "Unnamed: 0",
        lambda path: shuffled(FRAME.reset_index(names="Unnamed: 0")).to_parquet(
            path / "x.parquet", index=False
        ),
    ),
    "parquet": ("__index_level_0__", lambda path: shuffled(FRAME).to_parquet(path / "x.parquet")),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_an_index_without_a_name_is_left_out_with_a_note(tmp_path: Path, name: str) -> None:
    column, write = WRITTEN[name]
    write(tmp_path)
    (path,) = tmp_path.iterdir()
    found = autofi.inspect_table(path, target="click")
    assert found.schema.names == ("user",)
    assert found.schema.ignored == ()
    (summary,) = (each for each in found.summaries if each.name == column)
    assert summary.role == "ignored"
    assert summary.note is not None and "index" in summary.note


def test_a_table_with_an_index_has_the_fingerprint_of_one_without(tmp_path: Path) -> None:
    fingerprints = set()
    for index in (True, False):
        FRAME.to_csv(tmp_path / "x.csv", index=index)
        found = autofi.inspect_table(tmp_path / "x.csv", target="click")
        fingerprints.add(encode(open_table(tmp_path / "x.csv"), found.schema, seed=0).fingerprint)
    assert len(fingerprints) == 1


def test_other_columns_of_numbers_are_fields(tmp_path: Path) -> None:
    for name, values in (
        ("index", range(400)),
        ("id", range(400)),
        ("Unnamed: 0", range(1, 401)),
        ("Unnamed: 0", [0] * 2 + list(range(2, 400))),
        ("Unnamed: 1", range(400)),
    ):
        FRAME.assign(**{name: list(values)}).to_csv(tmp_path / "x.csv", index=False)
        assert name in autofi.inspect_table(tmp_path / "x.csv", target="click").schema.names


def test_a_named_index_of_a_frame_is_left_out_with_a_note() -> None:
    found = autofi.inspect_table(FRAME.assign(hour=range(400)).set_index("hour"), target="click")
    assert found.schema.names == ("user",)
    assert found.notes == ("the index 'hour' of the DataFrame is left out; reset_index() makes it a column.",)
    assert autofi.inspect_table(FRAME, target="click").notes == ()


def test_an_index_that_is_named_as_a_field_is_one(tmp_path: Path) -> None:
    FRAME.to_csv(tmp_path / "x.csv")
    overrides = SchemaOverrides(categorical=("c0",))
    assert autofi.inspect_table(tmp_path / "x.csv", target="click", overrides=overrides).schema.names == (
        "c0",
        "user",
    )
