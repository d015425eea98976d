"""Which tuners there are, and what is refused before any work."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from autofi.cli.app import app
from autofi.nni.tuners import REFUSED, TUNERS

#: The environment with NNI may have to be made first.
pytestmark = pytest.mark.timeout(600)


def refused(folder: Path, *arguments: str) -> str:
    """The one line of an error, and that nothing was left behind."""
    result = CliRunner().invoke(
        app, ["search", "planted:rows=3000", "--storage", str(folder / "s.db"), "--engine", "nni", *arguments]
    )
    assert result.exit_code == 2, result.output
    (line,) = result.stderr.splitlines()
    assert list(folder.iterdir()) == []
    return line


@pytest.mark.parametrize("name", REFUSED)
def test_a_tuner_that_does_not_work_is_refused_for_one_that_does(name: str, tmp_path: Path) -> None:
    line = refused(tmp_path, "--tuner", name)
    assert REFUSED[name].reason in line
    assert REFUSED[name].instead in TUNERS
    assert line.endswith(f"take {REFUSED[name].instead}.")


@pytest.mark.parametrize(
    ("arguments", "facts"),
    [
        (["--tuner", "tpe"], ["No tuner of NNI named 'tpe'", "Known: Anneal", "TPE"]),
        (["--engine", "nnni"], ["No engine named 'nnni'", "did you mean 'nni'"]),
        (["--engine", "optuna", "--tuner", "TPE"], ["'TPE'", "--engine nni"]),
        (["--sampler", "gp"], ["The sampler 'gp'", "--tuner"]),
        (["--workers", "2"], ["workers is 2", "--jobs"]),
        (["--nni-python", "/no/such/python"], ["/no/such/python does not answer", "pip install nni==3.0"]),
        (["--nni-python", sys.executable], [f"{sys.executable} has no NNI", "pip install nni==3.0"]),
    ],
)
def test_what_does_not_go_together_is_refused(arguments: list[str], facts: list[str], tmp_path: Path) -> None:
    line = refused(tmp_path, *arguments)
    assert [fact for fact in facts if fact not in line] == []


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["--objective", "auc", "--objective", "table_bytes"], "auc, table_bytes"),
        (["--max", "latency=200us"], "auc, latency<=200.0"),
    ],
)
def test_more_than_one_number_is_refused(
    arguments: list[str], found: str, tmp_path: Path, nni_python: Path
) -> None:
    (tmp_path / "studies").mkdir()
    result = CliRunner().invoke(
        app,
        [
            *("search", "planted:rows=3000", "--storage", str(tmp_path / "studies" / "s.db")),
            *("--engine", "nni", "--nni-python", str(nni_python), *arguments),
        ],
    )
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert f"The study has {found}, but a tuner of NNI takes one number" in line
