"""A search whose candidates a tuner of NNI proposes: the study is as any other."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import autofi
from autofi.cli.app import app
from autofi.errors import ConfigError
from autofi.store import StudyStore, TrialRecord, TrialState, resolve_storage

# The environment with NNI may have to be made first.
pytestmark = [pytest.mark.usefixtures("home"), pytest.mark.timeout(600)]

THREE = """\
name: three
summary: Three points.
fields: {forms: [embedding]}
sizes: {embedding_dim: {choices: [4, 6, 8]}}
head: {name: mlp, hidden: [8]}
training: {learning_rate: 0.002, epochs: 1}
"""
TABLE = "planted:rows=3000"


@pytest.fixture
def space(tmp_path: Path) -> Path:
    path = tmp_path / "three.yaml"
    path.write_text(THREE)
    return path


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    return result


def measured(storage: Path) -> dict[int, TrialRecord]:
    """Complete trials of the search, by the size of their embedding."""
    with StudyStore(resolve_storage(str(storage))) as store, store.open("s") as handle:
        found = [
            trial
            for trial in handle.trials()
            if trial.stage == "search" and trial.state is TrialState.COMPLETE
        ]
    assert len({trial.params["sizes.embedding_dim"] for trial in found}) == len(found)
    return {trial.params["sizes.embedding_dim"]: trial for trial in found}


def only_experiment(storage: Path) -> Path:
    """The database of the one experiment of NNI; `_latest` is a link to it."""
    (found,) = storage.parent.glob("s/*/nni/[!_]*/db/nni.sqlite")
    return found


def rows(database: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(database)) as connection:
        return [json.loads(row) for (row,) in connection.execute(query)]


def reported(database: Path) -> list[tuple[int, float]]:
    """What NNI was told: the size it had proposed, and the value, by the number that its metrics carry."""
    sent = rows(database, "SELECT data FROM TrialJobEvent WHERE trialJobId != '' AND data IS NOT NULL")
    sizes = {one["parameter_id"]: one["parameters"]["sizes.embedding_dim"] for one in sent}
    metrics = sqlite3.connect(database)
    with closing(metrics):
        found = metrics.execute(
            "SELECT parameterId, data FROM MetricData WHERE type = 'FINAL' ORDER BY timestamp"
        )
        return [(sizes[int(number)], float(json.loads(json.loads(value)))) for number, value in found]


def test_a_search_ends_with_the_space_and_its_record_is_that_of_its_trials(
    space: Path, tmp_path: Path, nni_python: Path
) -> None:
    storage = tmp_path / "studies" / "s.db"
    place = ["--storage", str(storage)]
    found = run(
        *("search", TABLE, "--space", str(space), "--study", "s", *place, "--trials", "5", "--seeds", "1"),
        *("--baselines", "none", "--engine", "nni", "--tuner", "GridSearch", "--nni-python", str(nni_python)),
        "--json",
    )
    assert "NNI experiment" in found.stderr and ": http://127.0.0.1:" in found.stderr
    trials = measured(storage)
    assert sorted(trials) == [4, 6, 8]
    assert all(trial.table_bytes and trial.seconds and trial.valid for trial in trials.values())
    database = only_experiment(storage)
    answered = reported(database)
    # The first proposal, made before NNI can be told of what is known, is the start again: answered from its record.
    assert [size for size, _ in answered] == [4, 6, 8]
    for size, value in answered:
        assert value == pytest.approx(trials[size].value, abs=1e-12)

    run("report", "s", *place, "--format", "md", "-o", str(tmp_path / "report"))
    told = (tmp_path / "report" / "study.yaml").read_text()
    assert "tuner: GridSearch" in told and "sampler" not in told
    assert json.loads(run("show", "s", *place, "--json").stdout)["winner"]
    run("export", "s", *place, "-o", str(tmp_path / "bundle"))
    assert autofi.load(tmp_path / "bundle")
    with pytest.raises(ConfigError, match="'s' is searched with --engine nni"):
        autofi.work("s", storage=str(storage))


def test_a_search_that_goes_on_tells_its_tuner_what_is_known(
    space: Path, tmp_path: Path, nni_python: Path
) -> None:
    storage = tmp_path / "studies" / "s.db"

    def search(trials: int, **engine: Any) -> dict[int, TrialRecord]:
        autofi.search(
            TABLE,
            space=space,
            study="s",
            storage=str(storage),
            trials=trials,
            seeds=1,
            baselines=(),
            **engine,
        ).close()
        return measured(storage)

    before = search(2)
    after = search(3, engine="nni", nni_python=nni_python)
    database = only_experiment(storage)
    (known,) = rows(database, "SELECT data FROM TrialJobEvent WHERE event = 'IMPORT_DATA'")
    assert {one["parameter"]["sizes.embedding_dim"]: one["value"] for one in known} == {
        size: trial.value for size, trial in before.items()
    }
    assert len(after) == 3
