"""What is said of delimited text reaches every reading of it: of the search, of a resume, of workers, of a model."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import autofi
from autofi import SchemaOverrides
from autofi.cli.app import app
from autofi.data.encode import encode
from autofi.data.load import open_again, open_data
from autofi.data.schema_overrides import load_overrides
from autofi.errors import DataError
from autofi.readers import open_table
from autofi.store.search_settings import SearchSettings

DRAW = np.random.default_rng(0)
#: A first row that looks like names, and a comma that divides as well as the vertical bar.
FRAME = pd.DataFrame(
    {
        "a": ["new york", *DRAW.choice(["rome", "oslo"], 199)],
        "b": [f"{place},{place}" for place in DRAW.integers(0, 5, 200)],
        "c": DRAW.integers(0, 2, 200),
    }
)
SAID = {"header": False, "delimiter": "^"}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "clicks.csv"
    FRAME.to_csv(path, sep="^", index=False, header=False)
    return path


def test_the_library_takes_what_is_said(source: Path, tmp_path: Path) -> None:
    for found in (
        autofi.inspect_table(source, target="c2", header=False, delimiter="^"),
        autofi.inspect_table(source, target="c2", overrides=SchemaOverrides(header=False, delimiter="^")),
        autofi.inspect_table(
            source,
            target="c2",
            overrides=SchemaOverrides(header=True, delimiter=","),
            header=False,
            delimiter="^",
        ),
    ):
        assert found.schema.names == ("c0", "c1")
        assert found.rows == len(FRAME)
    (tmp_path / "schema.yaml").write_text("header: false\ndelimiter: '^'\n")
    assert load_overrides(tmp_path / "schema.yaml").to_json() == SAID
    checked = autofi.check_table(source, target="c2", header=False, delimiter="^", valid=source)
    assert sum(part.rows for part in checked.summary.parts.values()) == 2 * len(FRAME)
    frame = pd.read_csv(source, sep="^", header=None)
    with pytest.raises(DataError, match="the source is not CSV"):
        autofi.inspect_table(frame, target="2", delimiter="^")


def test_the_settings_of_a_study_keep_it(source: Path, tmp_path: Path) -> None:
    settings = SearchSettings(
        source=str(source), target="c2", overrides=SAID, valid=str(source), test=str(source)
    )
    settings = SearchSettings.from_json(json.loads(json.dumps(settings.to_json())))
    first = open_data(source, settings, valid=source, test=source)
    again = open_again(settings, study="s", fingerprint=first.fingerprint)
    assert again.fingerprint == first.fingerprint
    # Elsewhere the same rows lie in files of other forms.
    named = FRAME.set_axis(["c0", "c1", "c2"], axis=1)
    named.to_parquet(tmp_path / "moved.parquet")
    named.to_csv(tmp_path / "moved.csv", sep="\t", index=False)
    for moved, said in (("moved.parquet", {}), ("moved.csv", {"header": True, "delimiter": "tab"})):
        place = str(tmp_path / moved)
        found = open_again(settings, study="s", fingerprint=first.fingerprint, source=place, **said)  # type: ignore[arg-type]
        assert found.fingerprint == first.fingerprint


def test_what_was_guessed_is_told(tmp_path: Path) -> None:
    frame = pd.DataFrame(DRAW.integers(0, 9, (50, 3))).assign(click=[0, 1] * 25)
    frame.to_csv(tmp_path / "x.csv", index=False)
    told: list[str] = []
    settings = SearchSettings(source=str(tmp_path / "x.csv"), target="click")
    open_data(tmp_path / "x.csv", settings, note=told.append)
    assert len(told) == 1 and "is read as the header" in told[0]
    shown = CliRunner().invoke(app, ["inspect", str(tmp_path / "x.csv")])
    assert "Note: " in shown.stdout
    as_json = CliRunner().invoke(app, ["inspect", str(tmp_path / "x.csv"), "--json"])
    assert json.loads(as_json.stdout)["notes"] == told


def test_the_command_line_takes_what_is_said(source: Path) -> None:
    flags = ["--target", "c2", "--no-header", "--delimiter", "^", "--json"]
    found = json.loads(CliRunner().invoke(app, ["inspect", str(source), *flags]).stdout)
    assert [column["name"] for column in found["columns"]] == ["c0", "c1", "c2"]
    refused = CliRunner().invoke(app, ["inspect", str(source), "--delimiter", "^^"])
    assert refused.exit_code == 2
    for command in ("search", "inspect", "check", "predict", "evaluate", "explain", "worker"):
        shown = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"}).stdout
        assert "--no-header" in shown and "--delimiter" in shown, command


def test_validation_rows_are_read_by_the_names_of_the_table(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"R&D": DRAW.choice(list("ab"), 60), "city": DRAW.choice(list("xy"), 60), "y": [0, 1] * 30}
    )
    frame.to_csv(tmp_path / "train.csv", index=False)
    # Few rows, of text but for a first value: nothing but the names shows the header.
    few = frame.tail(2).assign(y=["0", "true"])
    few.to_csv(tmp_path / "valid.csv", index=False, sep=";")
    settings = SearchSettings(source=str(tmp_path / "train.csv"), target="y")
    dataset = open_data(tmp_path / "train.csv", settings, valid=tmp_path / "valid.csv")
    assert dataset.parts["valid"].stop - dataset.parts["valid"].start == 2


def test_a_wide_table_is_inspected_and_encoded(tmp_path: Path) -> None:
    width, rows = 4_000, 40
    names = ",".join(f"column_{place}_{'x' * 60}" for place in range(width))
    line = ",".join(str(place % 7) for place in range(width))
    other = ",".join(str(place % 5) for place in range(width))
    assert len(names) > 1 << 18  # more than is looked at first
    (tmp_path / "x.csv").write_text(f"{names},click\n" + f"{line},0\n{other},1\n" * (rows // 2))
    found = autofi.inspect_table(tmp_path / "x.csv", target="click")
    assert len(found.summaries) == width + 1
    few = dataclasses.replace(found.schema, fields=found.schema.fields[-3:])
    assert len(encode(open_table(tmp_path / "x.csv"), few).labels) == rows
