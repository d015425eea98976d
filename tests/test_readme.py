"""The commands, code and links of the README and of the documentation are valid."""

from __future__ import annotations

import ast
import inspect
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main
import yaml
from typer.testing import CliRunner

import autofi
from autofi.cli.app import app
from autofi.data.schema_overrides import SchemaOverrides
from autofi.space.search_space import SearchSpace

TOP = Path(__file__).resolve().parents[1]
README = (TOP / "README.md").read_text(encoding="utf-8")
#: The README and every page of docs/, by their path.
PAGES = {
    str(path.relative_to(TOP)): path.read_text(encoding="utf-8")
    for path in (TOP / "README.md", *sorted((TOP / "docs").rglob("*.md")))
    if "_build" not in path.parts
}


def blocks(language: str, page: str = README) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page, flags=re.MULTILINE | re.DOTALL)


def all_blocks(language: str) -> list[str]:
    return [block for page in PAGES.values() for block in blocks(language, page)]


def autofi_lines() -> list[str]:
    prose = (re.sub(r"^```.*?^```", "", page, flags=re.MULTILINE | re.DOTALL) for page in PAGES.values())
    inline = [line for page in prose for line in re.findall(r"`(autofi [^`]+)`", page)]
    fenced = [line for block in all_blocks("sh") for line in block.splitlines()]
    return sorted({*inline, *(line for line in fenced if line.startswith("autofi "))})


def test_the_first_command_searches_and_the_second_runs_the_tests() -> None:
    first, second = blocks("sh")[:2]
    assert first.strip().endswith("/autofi search")
    assert "pytest" in second
    assert all(block.count("\n") == 1 for block in (first, second))


def test_the_readme_is_short() -> None:
    assert len(README.encode()) <= 12_000


def test_ci_runs_the_second_command_first() -> None:
    lines = (TOP / ".ci" / "run").read_text().splitlines()
    steps = [line for line in lines if '"$venv"' in line and not line.startswith("trap")]
    command = blocks("sh")[1].strip()
    first = steps[: command.count(" && ") + 1]
    assert " && ".join(first).replace('"$venv"', ".venv") == command
    assert f"{first[-1]} -m slow" in steps


def test_both_commands_install_the_torch_of_the_lock() -> None:
    pinned = re.search(r"^torch==\S+$", (TOP / "constraints.txt").read_text(), flags=re.MULTILINE)
    assert pinned is not None
    assert [pinned.group() in block for block in blocks("sh")[:2]] == [True, True]


@pytest.mark.parametrize("line", autofi_lines())
def test_every_command_line_is_understood(line: str) -> None:
    _, name, *words = shlex.split(line, comments=True)
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert name in commands
    if words:  # the bare name of a command is mentioned, not typed
        commands[name].make_context(name, words)


@pytest.mark.parametrize(
    "block",
    [block for block in all_blocks("python") if re.search(r"import autofi$|from autofi import", block, re.M)],
)
def test_python_examples_use_public_names_and_their_arguments(block: str) -> None:
    tree = ast.parse(block)
    imported = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "autofi"
        for alias in node.names
    }
    calls = {node.func: node for node in ast.walk(tree) if isinstance(node, ast.Call)}
    used = 0
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "autofi":
            name = node.attr
        elif isinstance(node, ast.Name) and node.id in imported:
            name = node.id
        else:
            continue
        used += 1
        assert name in autofi.__all__
        if node in calls:
            signature = inspect.signature(getattr(autofi, name))
            signature.bind(*calls[node].args, **{word.arg: None for word in calls[node].keywords if word.arg})
    assert used


@pytest.mark.parametrize("block", all_blocks("yaml"))
def test_yaml_examples_are_read(block: str) -> None:
    """By their first line: a schema or a search space."""
    kinds = {"# schema.yaml": SchemaOverrides, "# space.yaml": SearchSpace}
    kinds[block.splitlines()[0]].model_validate(yaml.safe_load(block))


@pytest.mark.parametrize("page", PAGES)
def test_links_to_files_lead_somewhere(page: str) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", PAGES[page])
    local = [link.partition("#")[0] for link in links if not re.match(r"\w+:|#", link)]
    assert [link for link in local if not (TOP / page).parent.joinpath(link).exists()] == []


@pytest.mark.parametrize("what", ["spaces", "operators"])
def test_listings_as_markdown_name_all_there_is(what: str) -> None:
    printed = CliRunner().invoke(app, [what, "--markdown"])
    assert printed.exit_code == 0
    names = {info.name for info in getattr(autofi, f"list_{what}")()}
    assert set(re.findall(r"^\| \[?`([\w-]+)`", printed.stdout, re.MULTILINE)) == names


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_tutorial_finds_what_was_planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AUTOFI_STORAGE", raising=False)
    found = runpy.run_path(str(TOP / "docs" / "tutorial.py"))
    assert found["chosen"] == {("hour", "city"): "memorize", ("user", "ad"): "factorize"}
    winner, *baselines = (found["summary"]["winner"], *found["summary"]["baselines"])
    assert all(winner["test"]["auc"] > baseline["test"]["auc"] for baseline in baselines)
    assert (tmp_path / "report.html").exists() and (tmp_path / "map.html").exists()
    explanation = found["explanation"]
    parts = [
        *(field.own for field in explanation.fields),
        *(pair.contribution for pair in explanation.pairs),
    ]
    total = explanation.baseline + sum(parts) + explanation.rest
    assert total == pytest.approx(explanation.logit, abs=1e-4)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_operator_it_adds_works_as_written(tmp_path: Path) -> None:
    """Its two files, in a copy of the project: the contract is kept, and the catalog lists it."""
    told = PAGES["docs/guides/operators.md"]
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
