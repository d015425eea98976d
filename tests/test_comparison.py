"""Known models side by side: every seed once, over several sittings, and a report beside the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

import autofi
from autofi.cli.app import app
from autofi.comparison import load_comparison
from autofi.errors import ConfigError
from autofi.retrain import Retraining
from autofi.store import ModelRole
from tests.visits import visits

TABLE: dict[str, Any] = {
    "source": "visits.parquet",
    "target": "click",
    "columns": {"ignore": ["hour", "weight", "visit"]},
    "published": {"lr": 0.75, "fm": 0.8},
    "note": "Invented figures.",
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    visits(3000).to_parquet(tmp_path / "visits.parquet")
    path = tmp_path / "zoo" / "study.yaml"
    path.parent.mkdir()
    write(path)
    return path


def write(path: Path, **changes: Any) -> None:
    settings = {
        "name": "zoo",
        "models": ["lr", "fm"],
        "seeds": 2,
        "closer": {"models": 1, "seeds": 3},
        "tables": {"visits": TABLE, "again": {**TABLE, "models": ["lr"], "published": {}}},
    }
    path.write_text(yaml.safe_dump(settings | changes, sort_keys=False))


def run(file: Path, **changes: Any) -> dict[str, dict[str, Any]]:
    settings: dict[str, Any] = {
        "data": file.parents[1],
        "storage": str(file.parent / "a.db"),
        "device": "cpu",
    }
    return autofi.compare(file, **settings | changes)


def models(file: Path, table: str) -> list[tuple[str, int]]:
    study = autofi.open_study(f"zoo-{table}", storage=str(file.parent / "a.db"))
    found = [(model.name, model.seed) for model in study._handle.models(ModelRole.BASELINE)]
    study.close()
    return found


def test_every_model_with_every_seed_and_leaders_with_more(file: Path) -> None:
    summaries = run(file)
    found = models(file, "visits")
    valid = {model["name"]: model["valid"]["auc"] for model in summaries["visits"]["baselines"]}
    assert set(found) >= {("lr", 0), ("fm", 0), ("lr", 1), ("fm", 1)}
    assert len(found) == 5
    assert found[-1][1] == 2
    assert models(file, "again") == [("lr", 0), ("lr", 1), ("lr", 2)]
    assert set(valid) == {"lr", "fm"}
    report = (file.parent / "report.md").read_text()
    test = next(model["test"]["auc"] for model in summaries["visits"]["baselines"] if model["name"] == "fm")
    assert f"| 0.8000 | {test - 0.8:+.4f} |" in report
    assert "Invented figures." in report
    assert report.index("## visits") < report.index("## again")


def test_a_second_sitting_trains_what_is_missing_only(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(file, tables=["visits"], models=["lr"])
    before = models(file, "visits")
    assert before == [("lr", 0), ("lr", 1), ("lr", 2)]
    trained: list[tuple[str, int]] = []
    train = Retraining.__call__

    def counted(self: Retraining, *arguments: Any) -> Any:
        trained.append((self.architecture.id, self.seed))
        return train(self, *arguments)

    monkeypatch.setattr(Retraining, "__call__", counted)
    summaries = run(file, tables=["visits"])
    assert sorted(seed for _, seed in trained)[:2] == [0, 1]
    assert len({identifier for identifier, _ in trained}) == 1
    assert set(summaries) == {"visits"}
    trained.clear()
    run(file, tables=["visits"])
    assert trained == []


def test_out_of_time_nothing_begins(file: Path) -> None:
    run(file, timeout=1e-6)
    assert models(file, "visits") == []
    assert "## visits" in (file.parent / "report.md").read_text()


def test_a_model_that_fails_leaves_the_others(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Retraining, *arguments: Any) -> Any:
        if "linear" in self.architecture.streams or self.architecture.pairs:
            raise RuntimeError("does not fit")
        return train(self, *arguments)

    train = Retraining.__call__
    monkeypatch.setattr(Retraining, "__call__", fail)
    run(file, tables=["visits"])
    assert {name for name, _ in models(file, "visits")} == {"lr"}


def test_a_table_may_have_settings_of_training_of_its_own(file: Path) -> None:
    def parts() -> set[tuple[str, int]]:
        study = autofi.open_study("zoo-visits", storage=str(file.parent / "a.db"))
        found = {(model.architecture_id, model.seed) for model in study._handle.models(ModelRole.BASELINE)}
        study.close()
        return found

    run(file, tables=["visits"], models=["lr"])
    before = parts()
    write(file, tables={"visits": {**TABLE, "training": {"epochs": 1}}})
    (model,) = run(file, tables=["visits"], models=["lr"])["visits"]["baselines"]
    after = parts() - before
    assert {seed for _, seed in after} == {0, 1, 2} and len({identifier for identifier, _ in after}) == 1
    # Of a model whose settings changed the last ones are told.
    assert model["seeds"] == 3
    # Trained with its own settings before: nothing is left to do.
    write(file, tables={"visits": {**TABLE, "training": {"epochs": 2}, "own_training": ["lr"]}})
    known = parts()
    run(file, tables=["visits"], models=["lr"])
    assert parts() == known
    write(file, tables={"visits": {**TABLE, "own_training": ["lm"]}})
    with pytest.raises(ConfigError, match="no model named 'lm'"):
        run(file)
    write(file, tables={"visits": {**TABLE, "training": {"epoch": 1}}})
    with pytest.raises(ConfigError, match="named 'epoch': did you mean 'epochs'"):
        run(file)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"models": ["fmm"]}, "No baseline named 'fmm': did you mean 'fm'"),
        ({"seeds": 0}, "key 'seeds'.*greater than or equal to 1; found 0"),
        ({"colour": 1}, "key 'colour'.*found 1"),
    ],
)
def test_a_wrong_file_is_refused(file: Path, changes: dict[str, Any], message: str) -> None:
    write(file, **changes)
    with pytest.raises(autofi.AutoFIError, match=message):
        run(file)
    assert not (file.parent / "report.md").exists()


def test_unknown_names_and_files_are_refused(file: Path) -> None:
    with pytest.raises(ConfigError, match="no table 'visit': did you mean 'visits'"):
        run(file, tables=["visit"])
    with pytest.raises(ConfigError, match="no model 'dnn'"):
        run(file, models=["dnn"])
    with pytest.raises(ConfigError, match="cannot be read"):
        load_comparison(file.with_name("none.yaml"))


def test_the_command_prints_and_tells_where_the_report_is(file: Path) -> None:
    line = ["compare", str(file), "--data", str(file.parents[1]), "--storage", str(file.parent / "a.db")]
    printed = CliRunner().invoke(app, [*line, "--tables", "again", "--device", "cpu", "--json"])
    assert printed.exit_code == 0, printed.output
    assert json.loads(printed.stdout)["again"]["baselines"][0]["name"] == "lr"
    assert "report.md" in printed.stderr
