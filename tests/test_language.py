"""A docstring begins with what the thing is or does, so that its first line is read once."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import autofi

ROOT = Path(autofi.__file__).parent
#: First words that leave the reader to guess the subject.
GUESSED = re.compile(
    r"(What|Whether|Which|How|Those|The same|As|Who|Whoever|Where|When|Why|That|Of|If|Also|Such) ", re.ASCII
)
DESCRIBED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def guessed(source: str) -> list[str]:
    """Return the first lines of docstrings that begin with such a word."""
    found = (ast.get_docstring(node) for node in ast.walk(ast.parse(source)) if isinstance(node, DESCRIBED))
    return [text.splitlines()[0] for text in found if text and GUESSED.match(text)]


@pytest.mark.parametrize(
    "package", sorted(path.name for path in ROOT.iterdir() if path.name != "__pycache__")
)
def test_no_docstring_leaves_its_subject_to_be_guessed(package: str) -> None:
    path = ROOT / package
    files = [path] if path.suffix == ".py" else path.rglob("*.py")
    assert [line for file in files for line in guessed(file.read_text("utf-8"))] == []


def test_the_rule_finds_one() -> None:
    assert guessed('"""What it is."""\n\n\ndef f():\n    """Whether it is."""\n') == [
        "What it is.",
        "Whether it is.",
    ]
    assert guessed('def f():\n    """Return what it is."""\n') == []
