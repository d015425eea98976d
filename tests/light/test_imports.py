"""Scoring rows imports nothing that only a search needs, also where it is installed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest

import autofi
from autofi.bundle.load import load
from autofi.core.optional_dependencies import MODULES_OF, extras_named
from autofi.errors import MissingDependencyError
from tests.light.bundles import BUNDLE, ROWS

PROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"
#: The packages of the first word are not found, as where they are not installed.
SCORES = """
import json, sys
from importlib.machinery import PathFinder

class Without(PathFinder):
    absent = frozenset(json.loads(sys.argv[1]))

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in cls.absent else super().find_spec(name, path, target)

sys.meta_path = [Without if finder is PathFinder else finder for finder in sys.meta_path]
import pyarrow.parquet, autofi
predictor = autofi.load(sys.argv[2])
rows = pyarrow.parquet.read_table(sys.argv[3])
print(json.dumps([predictor.predict_proba(rows).tolist(), predictor.evaluate(rows)]))
"""


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[<>=\[]", requirement)[0].lower() for requirement in requirements}


def test_a_table_is_scored_without_them(tmp_path: Path) -> None:
    pyarrow.parquet.write_table(ROWS, tmp_path / "rows.parquet")
    absent = json.dumps([*MODULES_OF["search"], "catboost", "polars", "ray", "fastapi"])
    command = [sys.executable, "-c", SCORES, absent, str(BUNDLE), str(tmp_path / "rows.parquet")]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.stderr == ""
    found, evaluated = json.loads(run.stdout)
    predictor = load(BUNDLE, runtime="torch")
    np.testing.assert_allclose(found, predictor.predict_proba(ROWS), rtol=0, atol=1e-6)
    assert evaluated == pytest.approx(predictor.evaluate(ROWS), rel=0, abs=1e-6)


def test_the_modules_of_an_extra_are_those_it_installs() -> None:
    project = tomllib.loads(PROJECT.read_text())["project"]
    extras = {extra: names(found) for extra, found in project["optional-dependencies"].items()}
    of_module = packages_distributions()
    for extra, others in (("search", extras["serve"]), ("serve", set())):
        told = {of_module[module][0].lower().replace("_", "-") for module in MODULES_OF[extra]}
        assert told == extras[extra] - others
    assert not names(project["dependencies"]) & (extras["search"] | extras["serve"])


def test_a_package_that_lacks_a_part_of_its_own_is_not_called_absent() -> None:
    with pytest.raises(ModuleNotFoundError, match="torch.no_such_part") as error, extras_named():
        import torch.no_such_part  # type: ignore[import-not-found]  # noqa: F401
    assert not isinstance(error.value, MissingDependencyError)


def test_an_unknown_name_of_the_package_is_no_matter_of_extras() -> None:
    with pytest.raises(AttributeError, match="No autofi attribute serach"):
        autofi.serach  # noqa: B018
