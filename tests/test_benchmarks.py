"""Every benchmark can still be started; what it measures is no test."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
#: Workers of FuxiCTR run in an environment of its own.
MODULES = [
    ".".join(path.relative_to(FOLDER.parent).with_suffix("").parts)
    for path in sorted(FOLDER.rglob("*.py"))
    if not path.name.startswith(("__init__", "fuxictr"))
]


@pytest.mark.parametrize("name", MODULES)
def test_what_it_imports_is_there(name: str) -> None:
    assert importlib.import_module(name).__doc__
