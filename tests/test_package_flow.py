"""Data flows one way: a package imports only packages that come before it, and no two files import each other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import autofi

ROOT = Path(autofi.__file__).parent
#: A package may import those before it; what is called by nothing but its user comes last.
ORDER = (
    *(
        "errors",
        "core",
        "metrics",
        "objectives",
        "values",
        "readers",
        "samplers",
        "data",
        "checks",
        "operators",
    ),
    *("space", "store", "model", "text", "training", "evaluation", "importance", "bundle", "supernet"),
    *(
        "strategies",
        "explanation",
        "records",
        "baselines",
        "nni",
        "engine",
        "rashomon",
        "plots",
        "report",
        "export",
    ),
    *("serving", "study", "api", "classifier", "dashboard", "cli", "testing"),
)
#: What the root gives by name is of the packages themselves.
ROOT_FILES = {"__init__", "__main__"}


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in sorted(ROOT.rglob("*.py"))}


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and module of every import of AutoFI's own, also of those in functions."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "autofi":
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield node.lineno, inner if inner in MODULES else node.module
        elif isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names if alias.name.startswith("autofi."))


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else "__init__"


def test_every_package_has_a_place_in_the_order() -> None:
    assert {room(module) for module in MODULES} - ROOT_FILES == set(ORDER)


def test_the_readme_draws_this_order() -> None:
    drawn = (ROOT.parent / "README.md").read_text("utf-8").partition("```text\ncore →")[2].partition("```")[0]
    assert ["core", *re.findall(r"\w+", drawn)] == [
        name for name in ORDER if name not in ("errors", "testing")
    ]


def test_no_package_imports_a_later_one() -> None:
    against = [
        f"{path.relative_to(ROOT)}:{line} imports {found}"
        for module, path in MODULES.items()
        if room(module) not in ROOT_FILES
        for line, found in imports(path)
        if room(found) not in ROOT_FILES and ORDER.index(room(found)) > ORDER.index(room(module))
    ]
    assert against == []


def test_no_files_import_each_other_in_a_circle() -> None:
    """Of imports at the head of files; inside of a function, one file may wait for another of its package."""
    arrows = {module: heads(path) - {module} for module, path in MODULES.items()}
    while True:
        leaves = {module for module, found in arrows.items() if not found & arrows.keys()}
        if not leaves:
            break
        for module in leaves:
            del arrows[module]
    # Left are files of a circle, and those that import one.
    assert sorted(arrows) == []


def heads(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    lines = {node.lineno for node in tree.body if isinstance(node, ast.ImportFrom | ast.Import)}
    return {found for line, found in imports(path) if line in lines}


def test_the_rule_finds_an_arrow_against_the_order(tmp_path: Path) -> None:
    written = tmp_path / "early.py"
    written.write_text("def late():\n    from autofi.report.blocks import Block\n")
    assert list(imports(written)) == [(2, "autofi.report.blocks")]
    assert ORDER.index("report") > ORDER.index("data")
