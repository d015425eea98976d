"""`autofi report` writes the form that is asked for, and refuses bad input in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from autofi.cli.app import app
from tests.report.reported import write_study


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = str(tmp_path_factory.mktemp("studies") / "a.db")
    write_study(path)
    write_study(path, name="stopped", finished=False)
    return path


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(storage: str, *arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "160"}).invoke(app, ["report", *arguments, "--storage", storage])


def test_a_page_lies_under_the_study_where_nothing_else_is_said(storage: str, tmp_path: Path) -> None:
    done = run(storage, "mine")
    assert done.exit_code == 0, done.output
    assert "Wrote studies/mine/report.html." in done.stderr
    assert (tmp_path / "studies" / "mine" / "report.html").read_text("utf-8").startswith("<!doctype html>")


def test_every_form_can_be_named(storage: str, tmp_path: Path) -> None:
    assert run(storage, "mine", "--format", "md", "-q").exit_code == 0
    written = sorted(path.name for path in (tmp_path / "studies" / "mine").iterdir())
    assert written == ["report.md", "study.yaml"]
    report = (tmp_path / "studies" / "mine" / "report.md").read_text("utf-8")
    assert "- user × item gives the class away" in report
    assert run(storage, "mine", "-o", "mine.json", "-q").exit_code == 0
    assert json.loads((tmp_path / "mine.json").read_text("utf-8"))["study"] == "mine"


def test_a_study_that_stopped_has_a_page(storage: str, tmp_path: Path) -> None:
    assert run(storage, "stopped", "-o", "a.html", "-q").exit_code == 0
    assert "before its winner was retrained" in (tmp_path / "a.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("none",), "no study 'none'"),
        (("mine", "-o", "a.pdf"), "ends in .html"),
        (("mine", "--format", "pdf"), "Known: html, json, md"),
        (("mine", "--rashomon", "-1"), "between 0 and 1"),
        (("mine", "--rashomon", "nan"), "between 0 and 1"),
    ],
)
def test_bad_input_is_refused_in_one_line(
    storage: str, arguments: tuple[str, ...], told: str, tmp_path: Path
) -> None:
    refused = run(storage, *arguments)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert told in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())
