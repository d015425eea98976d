"""Columns of any name go through search, report and every form of a model, or are refused when the table is opened."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import autofi
from autofi.bundle.schema import SCHEMA
from autofi.cli.summary_tables import print_summary
from autofi.errors import DataError
from autofi.readers import open_table
from autofi.serving.app import create_app
from autofi.serving.served_model import ServedModel
from tests.serving.servers import running

ROWS = 300
#: By turns categorical, numeric and of several values.
NAMES = [
    *("probability", "ids", "bag_x", "", "rows", "x_values", "class", "numbers", "x"),
    *("a.b/c", "<script>alert(1)</script>", "new\nline\tand | pipe", "CLASS", "e\u0301", "\u00e9"),
    *("%s {0} $x \\ 'q' \"dq\"", "autofi.input.1", "   ", "\u202eabc", "😀", "L" * 2000),
]
TARGET = "is it = a click, [really]?"
SPACE = """
name: odd
summary: All that reads a column.
fields: {forms: [embedding, bag, piecewise_linear, statistics]}
sizes: {embedding_dim: 2}
head: {name: mlp, hidden: [16], dropout: 0.0, batch_norm: false}
boosting: {leaves: 4, learning_rate: 0.1}
training: {learning_rate: 0.02, batch_size: 128, epochs: 2}
"""


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    generator = np.random.default_rng(0)
    kinds = (
        lambda: generator.choice(["u", "v", "w"], ROWS),
        lambda: generator.random(ROWS).round(2),
        lambda: ["|".join(row) for row in generator.choice(["a", "b", "c"], (ROWS, 2))],
    )
    columns = {name: kinds[place % 3]() for place, name in enumerate(NAMES)}
    clicked = (columns["probability"] == "u") ^ (generator.random(ROWS) < 0.1)
    return pd.DataFrame(columns | {TARGET: clicked.astype(int)})


@pytest.fixture(scope="module")
def study(frame: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> autofi.Study:
    folder = tmp_path_factory.mktemp("names")
    (folder / "odd.yaml").write_text(SPACE, encoding="utf-8")
    overrides = autofi.SchemaOverrides(multi_valued=dict.fromkeys(NAMES[2::3], "|"))
    return autofi.search(
        frame, target=TARGET, space=folder / "odd.yaml", overrides=overrides, study="odd",
        storage=str(folder / "a.db"), trials=1, seeds=1, baselines=[],
    )  # fmt: skip


@pytest.fixture(scope="module")
def model(study: autofi.Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return study.export(tmp_path_factory.mktemp("model") / "m")


def test_every_form_gives_the_same_probabilities(frame: pd.DataFrame, model: Path) -> None:
    first, *others = (
        autofi.load(model, runtime=runtime, trust=True).predict_proba(frame)
        for runtime in ("onnx", "torch", "pt2")
    )
    assert np.ptp(first) > 0.01
    for other in others:
        assert np.abs(other - first).max() < 1e-6


def test_the_schema_says_what_an_input_is_called_and_which_column_it_reads(model: Path) -> None:
    inputs = json.loads((model / SCHEMA).read_text(encoding="utf-8"))["inputs"]
    assert [given["column"] for given in inputs] == NAMES
    names = [given["name"] for given in inputs]
    assert len(set(names)) == len(names)
    assert {c: n for c, n in zip(NAMES, names, strict=True) if c != n} == {
        "probability": "input_0",
        "": "input_3",
    }


def test_a_server_takes_the_names_as_they_are(frame: pd.DataFrame, model: Path) -> None:
    predictor = autofi.load(model)
    rows = json.loads(frame[NAMES].head(5).to_json(orient="records"))
    with running(create_app(ServedModel.of(predictor, "odd"))) as client:
        found = client.post("/predict", json={"rows": rows})
        assert found.status_code == 200, found.text
        request = json.loads((model / "sample_request.json").read_text(encoding="utf-8"))
        answer = client.post("/v2/models/odd/infer", json=request)
        assert client.get("/v2/models/odd").status_code == client.get("/openapi.json").status_code == 200
    assert found.json()["probabilities"] == pytest.approx(predictor.predict_proba(frame.head(5)), abs=1e-9)
    expected = json.loads((model / "sample_response.json").read_text(encoding="utf-8"))
    assert answer.json()["outputs"][0]["data"] == pytest.approx(expected["outputs"][0]["data"], abs=1e-6)


def test_reports_show_names_and_run_none(study: autofi.Study, tmp_path: Path) -> None:
    page = study.report(tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<script>alert(1)" not in page
    report = (study.report(tmp_path / "md", form="md") / "report.md").read_text(encoding="utf-8")
    assert "<script>" not in report.replace("\\<", "")
    assert "| new line and \\| pipe |" in report
    document = json.loads(study.report(tmp_path / "page.json").read_text(encoding="utf-8"))
    assert set(NAMES) == set(document["names"])


def test_a_summary_and_explanations_are_given(
    study: autofi.Study, model: Path, frame: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    print_summary(study.summary())
    assert "autofi report odd" in capsys.readouterr().out
    assert len(study.leaderboard()) == 1
    (found,) = autofi.explain(model, frame, rows=1)
    assert 0.0 < found.probability < 1.0


@pytest.mark.parametrize("name", ["a\0b", "\x1b[31mred", "\x9bm", "\x7f"])
def test_a_name_that_no_database_or_terminal_takes_is_refused_when_the_table_is_opened(
    name: str, tmp_path: Path
) -> None:
    table = pa.table({"x": [1, 2], name: [1, 2], "click": [0, 1]})
    for source in (table, table.to_pandas()):
        with pytest.raises(DataError) as refused:
            open_table(source)
        assert (
            f"Column 2 of the {'Arrow table' if source is table else 'DataFrame'} is called {name!a}"
            in str(refused.value)
        )


@pytest.mark.parametrize("name", ["", "\u00e9", "a,b", "0.8,0.2", "probability", "new\nline"])
@pytest.mark.parametrize("role", ["target", "weight", "group", "time", "split_column"])
def test_a_role_may_have_any_name(role: str, name: str) -> None:
    generator = np.random.default_rng(0)
    values = {
        "target": generator.integers(0, 2, ROWS),
        "weight": generator.random(ROWS),
        "group": generator.integers(0, 30, ROWS),
        "time": np.arange(ROWS),
        "split_column": generator.choice(["train", "valid", "test"], ROWS),
    }
    table = pd.DataFrame({"x": generator.integers(0, 5, ROWS), name: values[role]})
    given = {role: name}
    if role != "target":
        table["click"] = values["target"]
        given["target"] = "click"
    split = f"{role}:{name}:0.8,0.1,0.1" if role in ("group", "time") else None
    checks = autofi.check_table(table, overrides=autofi.SchemaOverrides(**given), split=split)
    assert sum(part.rows for part in checks.summary.parts.values()) == ROWS
