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
from autofi.engine.stopping import StoppingRule
from autofi.errors import ConfigError
from autofi.samplers.base import Sampler
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
head: {name: mlp, hidden: [8], batch_norm: false}
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


@pytest.mark.slow
def test_a_search_and_a_worker_of_it_take_them(site: Path) -> None:
    (site / "space.yaml").write_text(SPACE)
    words = (
        "-m autofi search planted:rows=3000 --space space.yaml --trials 2 --seeds 1 --baselines none "
        "--study s --storage s.db --sampler dice --strategy unscreened"
    )
    done = run(site, *words.split())
    assert done.returncode == 0, done.stderr
    with StudyStore(resolve_storage(str(site / "s.db"))) as store, store.open("s") as handle:
        StoppingRule(4).keep(handle)
        done = run(site, "-m", "autofi", "worker", "s", "--storage", "s.db")
        assert done.returncode == 0, done.stderr
        architectures = [trial.architecture for trial in handle.trials() if trial.value is not None]
    assert [list(found["streams"]) for found in architectures] == [["triples"]] * 4


@pytest.mark.slow
def test_the_contracts_run_for_them(site: Path) -> None:
    words = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", ROOT / "pyproject.toml")
    done = run(site, *words, HERE / "check_example.py")
    assert done.returncode == 0, done.stdout
    # A dozen and a half of operators, a dozen of streams, nine of samplers, two of strategies.
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None and int(passed[1]) > 35


def test_one_that_does_not_load_is_told_at_its_use(tmp_path: Path) -> None:
    install(tmp_path, "[autofi.operators]\ntriples = autofi_example.no_such_file:Triples\n")
    assert run(tmp_path, "-c", "import autofi").returncode == 0
    done = run(tmp_path, "-m", "autofi", "operators")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "autofi: error: The operator 'triples' of the distribution 'autofi-example' (entry point of the group "
        "'autofi.operators') does not load: ModuleNotFoundError: No module named 'autofi_example.no_such_file'; repair "
        "or uninstall 'autofi-example'.\n"
    )


def registry() -> Registry[Sampler]:
    return Registry("sampler", Sampler, "autofi.samplers", "autofi.samplers", ConfigError)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("dice = autofi.no_such_file:Dice", "ModuleNotFoundError: No module named 'autofi.no_such_file'"),
        (
            "dice = autofi.samplers.tpe:Dice",
            "AttributeError: module 'autofi.samplers.tpe' has no attribute 'Dice'",
        ),
        (
            "dice = autofi.errors:AutoFIError",
            "TypeError: 'autofi.errors:AutoFIError' is no subclass of autofi.samplers.base.Sampler",
        ),
        ("dice = autofi.samplers.tpe:TPE", "ValueError: the name of the class is 'tpe'"),
    ],
)
def test_what_is_wrong_with_one_is_told_at_every_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, reason: str
) -> None:
    install(tmp_path, f"[autofi.samplers]\n{line}\n")
    monkeypatch.syspath_prepend(tmp_path)
    samplers = registry()
    for use in (samplers.all, lambda: samplers.get("tpe")):
        with pytest.raises(ConfigError) as refusal:
            use()
        assert str(refusal.value) == (
            "The sampler 'dice' of the distribution 'autofi-example' (entry point of the group 'autofi.samplers') does "
            f"not load: {reason}; repair or uninstall 'autofi-example'."
        )


def test_a_name_or_alias_of_another_is_refused() -> None:
    samplers = registry()
    first, second, third = (
        type(f"Sampler{number}", (Sampler,), {"name": name, "aliases": aliases})
        for number, (name, aliases) in enumerate([("a", ("b",)), ("c", ("b",)), ("b", ())])
    )
    samplers.add(first)
    for other in (second, third):
        with pytest.raises(ConfigError, match=f"the sampler name 'b': .*Sampler0 and .*{other.__name__}"):
            samplers.add(other)
    assert samplers.get("b") is samplers.get("a") is first
