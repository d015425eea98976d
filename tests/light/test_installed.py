"""Where only the extra `serve` is installed, a model is scored as torch scores it, and the rest is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest

from autofi import __version__
from autofi.bundle.load import load
from autofi.core.optional_dependencies import MODULES_OF
from tests.light.bundles import BUNDLE, ROWS
from tests.light.conftest import Run

# The first of them waits until the environment is made.
pytestmark = pytest.mark.timeout(600)

REFUSED = (
    r"The extra 'search' is not installed \(no module '\w+'\); install it by "
    r"pip install 'autofi\[search\]'\.\n"
)


@pytest.fixture(scope="module")
def expected() -> np.ndarray:
    return load(BUNDLE, runtime="torch").predict_proba(ROWS)


@pytest.fixture(scope="module", params=["csv", "parquet"])
def rows(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rows") / f"rows.{request.param}"
    write = {"csv": pyarrow.csv.write_csv, "parquet": pyarrow.parquet.write_table}[request.param]
    write(ROWS, path)
    return path


def test_it_is_the_wheel_and_has_none_of_what_a_search_needs(installed: Run) -> None:
    asked = (
        "import json, sys, autofi; from importlib.util import find_spec; "
        "print(json.dumps([autofi.__file__, [name for name in sys.argv[1:] if find_spec(name)]]))"
    )
    found = installed("-c", asked, *MODULES_OF["search"])
    place, present = json.loads(found.stdout)
    assert "/wheel" in place
    assert present == []


def test_a_program_scores_a_table(installed: Run, rows: Path, expected: np.ndarray) -> None:
    program = (
        "import json, sys, autofi; "
        "print(json.dumps(autofi.load(sys.argv[1]).predict_proba(sys.argv[2]).tolist()))"
    )
    found = installed("-W", "error", "-c", program, BUNDLE, rows)
    assert found.stderr == ""
    np.testing.assert_allclose(json.loads(found.stdout), expected, rtol=0, atol=1e-6)


def test_the_command_scores_a_file(installed: Run, rows: Path, expected: np.ndarray, tmp_path: Path) -> None:
    scores = tmp_path / f"scores{rows.suffix}"
    assert installed("-m", "autofi", "predict", BUNDLE, rows, "-o", scores, "--quiet").stderr == ""
    read = {".csv": pyarrow.csv.read_csv, ".parquet": pyarrow.parquet.read_table}[rows.suffix]
    np.testing.assert_allclose(read(scores)["probability"].to_numpy(), expected, rtol=0, atol=1e-6)


def test_the_command_evaluates_a_file(installed: Run, rows: Path) -> None:
    told = installed("-m", "autofi", "evaluate", BUNDLE, rows, "--json", "--quiet")
    found, expected = json.loads(told.stdout), load(BUNDLE, runtime="torch").evaluate(ROWS)
    assert found["rows"] == expected["rows"] == ROWS.num_rows
    assert found == pytest.approx(expected, rel=0, abs=1e-6)


@pytest.mark.parametrize("command", [(), ("search",), ("predict",), ("explain",), ("serve",), ("dashboard",)])
def test_every_command_tells_its_options(installed: Run, command: tuple[str, ...]) -> None:
    told = installed("-m", "autofi", *command, "--help")
    assert told.returncode == 0
    assert "Usage: " in told.stdout


def test_it_tells_its_version(installed: Run) -> None:
    assert installed("-m", "autofi", "--version").stdout == f"{__version__}\n"


def test_a_table_is_inspected_without_what_trains(installed: Run, tmp_path: Path) -> None:
    table = tmp_path / "clicks.csv"
    table.write_text("ad,click\n1,0\n2,1\n3,0\n", encoding="utf-8")
    inspected = installed("-m", "autofi", "inspect", str(table), "--target", "click", "--json")
    assert (inspected.returncode, inspected.stderr) == (0, "")
    assert json.loads(inspected.stdout)["rows"] == 3


@pytest.mark.parametrize(
    "command",
    [
        ("search",),
        ("show", "mine"),
        ("export", "mine", "-o", "model"),
        ("operators",),
        ("check", "clicks.csv"),
        ("predict", BUNDLE, "clicks.csv", "-o", "scores.csv", "--runtime", "torch"),
        ("evaluate", BUNDLE, "sqlite:///clicks.db", "--query", "SELECT 1"),
        ("explain", BUNDLE, "clicks.csv"),
    ],
    ids=lambda command: command[0],
)
def test_a_command_that_needs_more_is_one_line_that_says_so(
    installed: Run, command: tuple[str | Path, ...]
) -> None:
    refused = installed("-m", "autofi", *command)
    assert refused.returncode == 2
    assert refused.stdout == ""
    assert re.fullmatch("autofi: error: " + REFUSED, refused.stderr)


@pytest.mark.parametrize("call", ["autofi.search", "autofi.load(sys.argv[1]).architecture"])
def test_a_program_is_told_the_extra(installed: Run, call: str) -> None:
    program = f"""
import sys, autofi
try:
    {call}
except autofi.AutoFIError as error:
    print(type(error).__name__, error)
"""
    told = installed("-c", program, BUNDLE)
    assert re.fullmatch("MissingDependencyError " + REFUSED, told.stdout)


ASK = """
import re, subprocess, sys
from urllib.request import Request, urlopen
bundle = sys.argv[1]
command = [sys.executable, "-m", "autofi", "serve", bundle, "--port", "0", "--name", "model"]
with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
    said = ""
    while "Try: " not in said and (line := server.stderr.readline()):
        said += line
    place = re.search(r"on (http://127[.]0[.]0[.]1:[0-9]+) ", said)
    if place is not None:
        body = open(f"{bundle}/sample_request.json", "rb").read()
        asked = Request(f"{place[1]}/v2/models/model/infer", body, {"Content-Type": "application/json"})
        print(urlopen(asked).read().decode())
    server.terminate()
    server.stderr.read()
print(said, file=sys.stderr)
"""


def test_a_server_answers_the_sample_as_it_says(installed: Run) -> None:
    told = installed("-c", ASK, BUNDLE)
    assert told.stdout, told.stderr
    (found,) = json.loads(told.stdout)["outputs"]
    (expected,) = json.loads((BUNDLE / "sample_response.json").read_text())["outputs"]
    np.testing.assert_allclose(found["data"], expected["data"], rtol=0, atol=1e-6)
