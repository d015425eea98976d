"""Another distribution's operators, samplers and strategies are found by entry points, in every process."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from subprocess import CompletedProcess

import pytest

import autofi
from autofi.core.registry import Registry
from autofi.errors import SearchSpaceError
from autofi.operators.base import Candidate
from autofi.store import StudyStore, resolve_storage

HERE = Path(__file__).parent
ROOT = Path(autofi.__file__).parents[1]
ENTRY_POINTS = """
[autofi.operators]
triples = autofi_example.operators:Triples
squared_position = autofi_example.operators:SquaredPosition

[autofi.samplers]
dice = autofi_example.sampler:Dice

[autofi.strategies]
unscreened = autofi_example.strategy:Unscreened
"""
SPACE = """
name: triples
summary: Products of three fields, by an operator of another package.
fields: {forms: [embedding]}
sizes: {embedding_dim: {choices: [2, 3, 4, 5]}}
readout: {name: mlp, hidden: [8], batch_norm: false}
streams: {hofm: {}}
training: {epochs: 1}
"""


def install(site: Path, entry_points: str) -> None:
    """Write what pip leaves of a wheel of the example."""
    shutil.copytree(HERE / "autofi_example", site / "autofi_example")
    metadata = site / "autofi_example-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: autofi-example\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(entry_points)


def run(site: Path, *words: str | Path) -> CompletedProcess[str]:
    """Run Python in that folder, where the example is installed."""
    return subprocess.run(
        [sys.executable, *words],
        cwd=site,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(site)])},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def site(tmp_path: Path) -> Path:
    install(tmp_path, ENTRY_POINTS)
    return tmp_path


def test_they_are_listed_by_name_and_alias(site: Path) -> None:
    done = run(site, "-m", "autofi", "operators", "hofm", "squared_position", "--json")
    assert done.stderr == ""
    triples, squared = json.loads(done.stdout)["operators"]
    assert (triples["name"], triples["aliases"], triples["choice"]) == ("triples", ["hofm"], "stream")
    assert (squared["name"], squared["choice"], squared["parameters"]) == ("squared_position", "field", 0)


def test_a_search_and_its_workers_take_them(site: Path) -> None:
    (site / "space.yaml").write_text(SPACE)
    words = (
        "-m autofi search planted:rows=3000 --space space.yaml --trials 4 --seeds 1 --baselines none "
        "--study s --workers 1 --storage s.db --sampler dice --strategy unscreened"
    )
    done = run(site, *words.split())
    assert done.returncode == 0, done.stderr
    assert "ended:" not in done.stderr
    with StudyStore(resolve_storage(str(site / "s.db"))) as store, store.open("s") as handle:
        architectures = [trial.architecture for trial in handle.trials() if trial.value is not None]
    assert len(architectures) == 4
    assert all(list(found["streams"]) == ["triples"] for found in architectures)


def test_the_contracts_run_for_them(site: Path) -> None:
    words = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", ROOT / "pyproject.toml")
    done = run(site, *words, HERE / "check_example.py")
    assert done.returncode == 0, done.stdout
    # A dozen and a half of operators, a dozen of streams, nine of samplers, two of strategies.
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None and int(passed[1]) > 35


@pytest.mark.parametrize(
    ("group", "line", "use", "told"),
    [
        (
            "autofi.operators",
            "triples = autofi_example.no_such_file:Triples",
            "autofi.list_operators()",
            "The operator 'triples' of the distribution 'autofi-example' (entry point of the group 'autofi.operators') "
            "does not load: ModuleNotFoundError: No module named 'autofi_example.no_such_file'; repair or uninstall "
            "'autofi-example'.",
        ),
        (
            "autofi.samplers",
            "dice = autofi_example.operators:Triples",
            "from autofi.samplers.registry import samplers; samplers()",
            "The sampler 'dice' of the distribution 'autofi-example' (entry point of the group 'autofi.samplers') does "
            "not load: TypeError: 'autofi_example.operators:Triples' is no subclass of autofi.samplers.base.Sampler; "
            "repair or uninstall 'autofi-example'.",
        ),
        (
            "autofi.strategies",
            "other = autofi_example.strategy:Unscreened",
            "from autofi.strategies.registry import strategies; strategies()",
            "The strategy 'other' of the distribution 'autofi-example' (entry point of the group 'autofi.strategies') "
            "does not load: ValueError: the name of the class is 'unscreened'; repair or uninstall 'autofi-example'.",
        ),
    ],
)
def test_one_that_does_not_load_is_told_at_its_use(
    tmp_path: Path, group: str, line: str, use: str, told: str
) -> None:
    install(tmp_path, f"[{group}]\n{line}\n")
    code = f"try:\n    exec({use!r})\nexcept autofi.AutoFIError as error:\n    print(error)"
    done = run(tmp_path, "-c", f"import autofi\nprint('imported')\n{code}")
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["imported", told]


def test_a_name_of_autofis_own_is_refused() -> None:
    registry: Registry[Candidate] = Registry(
        "operator", Candidate, "autofi.operators", "nothing", SearchSpaceError
    )

    class First(Candidate):
        name, aliases = "first", ("one",)

    class Second(Candidate):
        name, aliases = "second", ("one",)

    registry.add(First)
    with pytest.raises(SearchSpaceError, match="the operator 'one' is claimed by .*First and .*Second"):
        registry.add(Second)
    assert registry.registered_name("one") == "first"
