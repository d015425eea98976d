"""A wheel and an sdist are built, hold the same, and run where nothing of this checkout is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from email import message_from_bytes
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from autofi import __version__
from tests.environments import environment_beside
from tests.light.conftest import CONSTRAINTS, TOP, Run


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that has what builds AutoFI, too."""
    folder = tmp_path_factory.mktemp("builder")
    return environment_beside(folder, "--constraint", CONSTRAINTS, *build_requirements())


@pytest.fixture(scope="module")
def built(builder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both, as they are uploaded."""
    folder = tmp_path_factory.mktemp("built")
    subprocess.run([builder, "-m", "hatchling", "build", "-d", folder], cwd=TOP, check=True)
    return folder


@pytest.fixture(scope="module")
def from_sdist(builder: Path, built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that pip makes of the sdist."""
    (sdist,) = built.glob("*.tar.gz")
    folder = tmp_path_factory.mktemp("from_sdist")
    command = ["wheel", "--quiet", "--no-deps", "--no-index", "--no-build-isolation", "-w", folder, sdist]
    subprocess.run([sys.executable, "-m", "pip", "--python", builder, *command], check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def run(from_sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The command `autofi` of a new environment that has that wheel, in an empty folder."""
    python = environment_beside(
        tmp_path_factory.mktemp("environment"), "--no-deps", "--no-index", "--force-reinstall", from_sdist
    )
    folder = tmp_path_factory.mktemp("elsewhere")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def call(*words: str | Path, program: str = "autofi") -> CompletedProcess[str]:
        return subprocess.run(
            [python.with_name(program), *words],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    return call


def build_requirements() -> list[str]:
    document = tomllib.loads((TOP / "pyproject.toml").read_text())
    required: list[str] = document["build-system"]["requires"]
    return required


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def test_the_version_is_written_in_one_place() -> None:
    project = tomllib.loads((TOP / "pyproject.toml").read_text())
    assert "version" not in project["project"] and project["project"]["dynamic"] == ["version"]
    source = TOP / project["tool"]["hatch"]["version"]["path"]
    assert re.findall(r'^__version__ = "(.+)"$', source.read_text(), re.MULTILINE) == [__version__]
    assert f"## [{__version__}]" in (TOP / "CHANGELOG.md").read_text()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_sdist_makes_the_same_wheel(built: Path, from_sdist: Path) -> None:
    (wheel,) = built.glob("*.whl")
    assert wheel.name == from_sdist.name == f"autofi-{__version__}-py3-none-any.whl"
    assert contents(wheel) == contents(from_sdist)


@pytest.mark.slow
def test_the_wheel_has_every_module_and_space(from_sdist: Path) -> None:
    found = contents(from_sdist)
    expected = {path.relative_to(TOP).as_posix() for path in (TOP / "autofi").rglob("*.py")}
    expected |= {f"autofi/_search_spaces/{path.name}" for path in (TOP / "search_spaces").glob("*.yaml")}
    assert expected <= found.keys()
    assert not [
        name for name in found if not name.startswith(("autofi/", f"autofi-{__version__}.dist-info/"))
    ]


@pytest.mark.slow
def test_the_wheel_says_its_version_and_licence(from_sdist: Path) -> None:
    told = message_from_bytes(contents(from_sdist)[f"autofi-{__version__}.dist-info/METADATA"])
    assert (told["Version"], told["License-Expression"]) == (__version__, "Apache-2.0")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_is_installed_runs_in_an_empty_folder(run: Run) -> None:
    assert run("--version").stdout == f"{__version__}\n"
    place = run("-c", "import autofi; print(autofi.__file__)", program="python").stdout
    assert str(TOP) not in place and "environment" in place
    spaces = run("spaces")
    assert spaces.returncode == 0 and "dcnv2" in spaces.stdout
    words = (
        "--space",
        "lr",
        "--trials",
        "1",
        "--seeds",
        "1",
        "--baselines",
        "none",
        "--study",
        "s",
        "--quiet",
    )
    searched = run("search", "planted:rows=2000", *words, "--device", "cpu")
    assert (searched.returncode, searched.stderr) == (0, "")
    shown = run("show", "s", "--json")
    assert shown.returncode == 0 and '"winner"' in shown.stdout
