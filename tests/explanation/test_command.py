"""`autofi explain` prints tables and JSON, writes whole files, and refuses bad input in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.csv
import pyarrow.parquet
import pytest
from typer.testing import CliRunner, Result

import autofi
from autofi.cli.app import app
from autofi.cli.explain import BAR, bar
from autofi.explanation.explanation import added
from autofi.explanation.explanation_file import SCHEMA
from tests.explanation.models import ObservedTrial, table

ROWS = table(30, seed=9).drop_columns(["click"])


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    pyarrow.csv.write_csv(ROWS, "rows.csv")
    return tmp_path / "rows.csv"


def run(*arguments: str | Path) -> Result:
    return CliRunner(env={"COLUMNS": "160"}).invoke(app, ["explain", *map(str, arguments)])


def records(path: Path) -> list[dict[str, Any]]:
    read = {".csv": pyarrow.csv.read_csv, ".parquet": pyarrow.parquet.read_table}[path.suffix]
    return list(read(path).to_pylist())


def test_json_is_what_the_api_answers(additive: ObservedTrial, rows: Path) -> None:
    shown = run(additive.folder, rows, "--json")
    assert shown.exit_code == 0, shown.output
    told = json.loads(shown.stdout)
    expected = [each.to_json() for each in autofi.explain(additive.folder, rows)]
    assert told == {"explanations": json.loads(json.dumps(expected))}
    assert len(told["explanations"]) == 10


def test_a_table_shows_the_largest_contributions_of_each_row(attentive: ObservedTrial, rows: Path) -> None:
    shown = run(attentive.folder, rows, "--rows", "2", "--top", "3", "--quiet")
    assert (shown.exit_code, shown.stderr) == (0, "")
    first, second = shown.stdout.split("row 2: ")
    for told, explanation in zip((first, second), autofi.explain(attentive.folder, rows), strict=False):
        assert f"probability {explanation.probability:.4f}" in told
        parts = explanation.parts()
        for part in parts[:3]:
            assert any(part.name in line and f"{added(part):+.3f}" in line for line in told.splitlines())
        assert f"and {len(parts) - 3} more" in told
        assert f"stream exponential_neurons: {explanation.streams[0].contribution:+.3f}" in told
        assert "baseline" in told and "together" in told
        assert told.count("head ") == 3


def test_values_are_no_markup(additive: ObservedTrial, rows: Path) -> None:
    changed = ROWS.slice(0, 1).to_pylist()[0] | {"city": "[red]x[/red]"}
    pyarrow.csv.write_csv(ROWS.slice(0, 0).from_pylist([changed], schema=ROWS.schema), rows)
    assert "[red]x[/red]" in run(additive.folder, rows, "-q").stdout


def test_bars_point_to_either_side() -> None:
    assert bar(1.0, 2.0) == " " * BAR + "│" + "█" * (BAR // 2)
    assert bar(-2.0, 2.0) == "█" * BAR + "│"
    assert bar(0.0, 0.0) == " " * BAR + "│"


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_a_file_has_a_line_per_row_and_part(additive: ObservedTrial, rows: Path, ending: str) -> None:
    output = rows.parent / f"told{ending}"
    written = run(additive.folder, rows, "-o", output)
    assert written.exit_code == 0, written.output
    assert written.stdout == ""
    assert "30 rows" in written.stderr
    found = records(output)
    assert list(found[0]) == SCHEMA.names
    explanations = autofi.explain(additive.folder, rows, rows=None)
    assert [line["row"] for line in found if line["part"] == "rest"] == list(range(1, 31))
    for explanation in explanations:
        lines = [line for line in found if line["row"] == explanation.row]
        assert sum(line["contribution"] for line in lines) == pytest.approx(explanation.logit, abs=1e-5)
        assert [line["probability"] for line in lines] == pytest.approx(
            [explanation.probability] * len(lines)
        )
        by_name = {line["name"]: line for line in lines}
        for part in explanation.parts():
            assert by_name[part.name]["contribution"] == pytest.approx(added(part), abs=1e-9)
            assert by_name[part.name]["seen"] == part.seen
        (city,) = [part for part in explanation.fields if part.name == "city"]
        assert by_name["city"]["value"] == city.value
        assert by_name["city"]["status"] == city.status


def test_a_json_file_is_what_json_prints(additive: ObservedTrial, rows: Path) -> None:
    output = rows.parent / "told.json"
    written = run(additive.folder, rows, "-o", output, "--rows", "4", "--json")
    assert json.loads(written.stdout) == {"output": str(output), "rows": 4}
    printed = json.loads(run(additive.folder, rows, "--rows", "4", "--json").stdout)
    assert json.loads(output.read_text()) == printed


def test_rows_of_a_query_are_explained(additive: ObservedTrial, rows: Path) -> None:
    url = f"sqlite:///{rows.parent}/clicks.db"
    ROWS.to_pandas().to_sql("today", url, index=False)
    shown = run(additive.folder, url, "--query", "SELECT * FROM today LIMIT 2", "--json")
    assert shown.exit_code == 0, shown.output
    assert (
        json.loads(shown.stdout)["explanations"]
        == json.loads(run(additive.folder, rows, "--rows", "2", "--json").stdout)["explanations"]
    )


@pytest.mark.parametrize(
    ("arguments", "facts"),
    [
        (("none", "rows.csv"), ("'none' does not exist",)),
        (("model", "none.csv"), ("no file 'none.csv'",)),
        (("model", "rows.csv", "--query", "SELECT 1"), ("database URL",)),
        (("model", "rows.csv", "-o", "told.txt"), ("'.txt'", ".csv, .parquet, .pq, .json")),
        (("model", "rows.csv", "-o", "rows.csv"), ("rows.csv'", "another name")),
        (("model", "rows.csv", "--rows", "0"), ("--rows",)),
        (("model", "rows.csv", "--top", "0"), ("--top",)),
        (("model", "less.csv"), ("'city' is missing in less.csv",)),
        (("model", "wrong.csv", "-o", "new/told.csv"), ("'price'", "'cheap'", "Row 1 of wrong.csv")),
        (("model", "wrong.csv", "-o", "told.json"), ("'price'", "'cheap'", "Row 1 of wrong.csv")),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    additive: ObservedTrial, rows: Path, arguments: tuple[str, ...], facts: tuple[str, ...]
) -> None:
    (rows.parent / "model").symlink_to(additive.folder, target_is_directory=True)
    pyarrow.csv.write_csv(ROWS.drop_columns(["city"]), "less.csv")
    (rows.parent / "wrong.csv").write_text("city,site,hour,price,tags\nc1,s1,h1,cheap,a\n")
    before = sorted(path.name for path in rows.parent.iterdir())
    refused = run(*arguments)
    assert refused.exit_code == 2, refused.output
    assert refused.stdout == ""
    line = refused.stderr.splitlines()[-1]
    assert line.startswith("autofi: error: ")
    assert [fact for fact in facts if fact not in line] == [], line
    assert sorted(path.name for path in rows.parent.iterdir()) == before
