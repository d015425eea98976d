"""The lowest versions that pyproject.toml allows search, export and score.

Asked for by AUTOFI_TEST_MINIMUM_VERSIONS=1: it downloads 250 MB of packages.
"""

from __future__ import annotations

import json
import os
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.environments import environment_beside
from tests.light.conftest import TOP

ASKED = "AUTOFI_TEST_MINIMUM_VERSIONS"
#: Without those that need a cluster (ray), pinned packages (nni), or are tools of developers (dev).
EXTRAS = ("search", "baselines", "dashboard", "postgres", "mysql", "serve")
#: An old study is resumed, exported and scored; every format is read; a server and a dashboard answer.
TESTS = (
    "tests/store/test_versions.py",
    "tests/export/test_versions.py",
    "tests/readers/test_open.py",
    "tests/readers/test_types.py",
    "tests/dashboard/test_routes.py",
)
#: Packages with the versions that are asked for, as JSON.
TELL = """
import json, sys
from importlib.metadata import version
print(json.dumps({name: version(name) for name in sys.argv[1:]}))
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not os.environ.get(ASKED), reason=f"installs many packages: asked for by {ASKED}=1"),
]


def lowest_versions() -> list[Requirement]:
    """The direct dependencies, each with the lowest version that it allows."""
    project = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
    written = list(project["dependencies"])
    for extra in EXTRAS:
        written += project["optional-dependencies"][extra]
    asked = [found for found in map(Requirement, written) if found.name != "autofi"]
    lowest = []
    for requirement in asked:
        (bound,) = (each.version for each in requirement.specifier if each.operator == ">=")
        extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
        lowest.append(Requirement(f"{requirement.name}{extras}=={bound}"))
    return lowest


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lowest")
    return environment_beside(folder, *map(str, lowest_versions()))


def test_they_are_what_is_imported(python: Path) -> None:
    lowest = lowest_versions()
    names = [requirement.name for requirement in lowest]
    told = subprocess.run([python, "-c", TELL, *names], capture_output=True, text=True, check=True)
    found = json.loads(told.stdout)
    assert [str(one) for one in lowest if not one.specifier.contains(found[one.name])] == []


def test_they_search_export_and_score(python: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(TOP)}
    command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS]
    done = subprocess.run(command, cwd=TOP, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-5000:]
