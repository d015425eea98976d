"""What the README tells people to type exists."""

from __future__ import annotations

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main
from typer.testing import CliRunner

import autofi
from autofi.cli.app import app
from autofi.samplers.base import Sampler
from autofi.samplers.registry import samplers
from autofi.strategies.base import Strategy
from autofi.strategies.registry import strategies

TOP = Path(__file__).resolve().parents[1]
README = (TOP / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def autofi_lines() -> list[str]:
    inline = re.findall(r"`(autofi [^`]+)`", README)
    fenced = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("autofi ")]
    return [*fenced, *inline]


def test_the_first_command_searches_and_the_second_runs_the_tests() -> None:
    first, second = blocks("sh")[:2]
    assert first.strip().endswith("/autofi search")
    assert "pytest" in second
    assert all(block.count("\n") == 1 for block in (first, second))


def test_ci_runs_the_second_command() -> None:
    lines = (TOP / ".ci" / "run").read_text().splitlines()
    steps = [line for line in lines if '"$venv"' in line and not line.startswith("trap")]
    assert " && ".join(steps).replace('"$venv"', ".venv") == blocks("sh")[1].strip()


def test_both_commands_install_the_torch_of_the_lock() -> None:
    pinned = re.search(r"^torch==\S+$", (TOP / "constraints.txt").read_text(), flags=re.MULTILINE)
    assert pinned is not None
    assert [pinned.group() in block for block in blocks("sh")[:2]] == [True, True]


@pytest.mark.parametrize("line", autofi_lines())
def test_every_command_line_is_understood(line: str) -> None:
    _, name, *words = shlex.split(line, comments=True)
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert name in commands
    commands[name].make_context(name, words)


@pytest.mark.parametrize(
    "block",
    [
        block
        for block in blocks("python")
        if re.search(r"import autofi$|from autofi import", block, re.MULTILINE)
    ],
)
def test_python_examples_use_public_names(block: str) -> None:
    tree = ast.parse(block)
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "autofi"
    }
    used |= {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "autofi"
        for alias in node.names
    }
    assert used
    assert [name for name in sorted(used) if not hasattr(autofi, name)] == []


@pytest.mark.parametrize("what", ["spaces", "operators"])
def test_tables_of_what_there_is_are_those_of_the_registry(what: str) -> None:
    table = re.search(rf"<!-- autofi {what} --markdown -->\n(.*?)\n<!-- end -->", README, flags=re.DOTALL)
    printed = CliRunner().invoke(app, [what, "--markdown"])
    assert printed.exit_code == 0
    assert table is not None
    assert table.group(1) == printed.stdout.strip(), f"paste what autofi {what} --markdown prints"


@pytest.mark.parametrize(("option", "known"), [("--strategy", strategies()), ("--sampler", samplers())])
def test_tables_of_what_a_search_can_do_are_those_of_the_registries(
    option: str, known: dict[str, type[Strategy] | type[Sampler]]
) -> None:
    _, _, table = README.partition(f"| `{option}` |")
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", table.partition("\n\n")[0], flags=re.MULTILINE)
    assert rows == [(name, found.summary) for name, found in known.items()]


def test_the_operator_it_adds_works_as_written(tmp_path: Path) -> None:
    """Its two files, in a copy of the project: the contract is kept, and the catalog lists it."""
    told = README[README.index("## Add your own operator") :]
    files = re.findall(
        r"`((?:autofi|tests)/operators/\w+\.py)`:\n\n```python\n(.*?)^```", told, re.MULTILINE | re.DOTALL
    )
    assert len(files) == 2
    for folder in ("autofi", "tests", "search_spaces"):
        shutil.copytree(TOP / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(TOP / "pyproject.toml", tmp_path)
    for name, content in files:
        (tmp_path / name).write_text(content)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "tests/operators",
        "-k",
        "triples",
    ]
    tests = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert tests.returncode == 0, tests.stdout
    assert int(re.findall(r"(\d+) passed", tests.stdout)[-1]) > 10
    command = [sys.executable, "-m", "autofi", "operators", "--json"]
    listed = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert "products of every three field vectors" in listed.stdout
