"""Known models side by side: every seed once, over several sittings, and a report beside the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

import autofi
from autofi.api.compare import load_comparison
from autofi.cli.app import app
from autofi.errors import ConfigError, DataError
from autofi.evaluation.parallel import Retraining
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


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The seeds of the networks that were trained."""
    found: list[int] = []
    train = Retraining.__call__

    def counted(self: Retraining, *arguments: Any) -> Any:
        found.append(self.seed)
        return train(self, *arguments)

    monkeypatch.setattr(Retraining, "__call__", counted)
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
    assert report.index("## visits") < report.index("## again")
    test = next(model["test"]["auc"] for model in summaries["visits"]["baselines"] if model["name"] == "fm")
    assert f"| 0.8000 | {test - 0.8:+.4f} |" in report
    assert "Invented figures." in report
    # A figure that is met is not told as a negative nothing.
    write(file, tables={"visits": {**TABLE, "published": {"fm": test + 1e-6}}})
    run(file)
    assert "| +0.0000 |" in (file.parent / "report.md").read_text()


def test_a_second_sitting_trains_what_is_missing_only(file: Path, trained: list[int]) -> None:
    run(file, tables=["visits"], models=["lr"])
    before = models(file, "visits")
    assert before == [("lr", 0), ("lr", 1), ("lr", 2)]
    trained.clear()
    summaries = run(file, tables=["visits"])
    assert trained[:2] == [0, 1]
    assert {name for name, _ in models(file, "visits")[3:]} == {"fm"}
    assert set(summaries) == {"visits"}
    trained.clear()
    run(file, tables=["visits"])
    assert trained == []


def test_leaders_that_were_not_asked_for_wait(file: Path, trained: list[int]) -> None:
    settings = {**TABLE, "training": {"epochs": 1}}
    write(file, tables={"visits": settings}, closer={"models": 2, "seeds": 2})
    run(file)
    before = models(file, "visits")
    assert len(before) == 4
    # A third seed for both leaders, of which one is asked for at a time; neither is trained by settings not its own.
    write(file, tables={"visits": settings}, closer={"models": 2, "seeds": 3})
    trained.clear()
    for model in ("fm", "lr"):
        run(file, models=[model])
        before.append((model, 2))
        assert models(file, "visits") == before
    assert trained == [2, 2]


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (file.parent / "results.jsonl").read_text().splitlines()]


def test_another_machine_goes_on_from_the_results_beside_the_file(file: Path, trained: list[int]) -> None:
    def figures(storage: str) -> dict[str, Any]:
        summaries = run(file, tables=["visits"], storage=storage)
        return {model["name"]: model for model in summaries["visits"]["baselines"]}

    first = figures(str(file.parent / "a.db"))
    report = (file.parent / "report.md").read_text()
    kept = lines(file)
    assert [(line["model"], line["seed"]) for line in kept] == sorted(models(file, "visits"))
    trained.clear()
    assert figures(str(file.parent / "elsewhere.db")) == first
    assert trained == []
    assert (file.parent / "report.md").read_text() == report
    # A line that is missing is trained again, and told in its place.
    text = (file.parent / "results.jsonl").read_text().splitlines()
    (file.parent / "results.jsonl").write_text("\n".join(text[1:]) + "\n")
    run(file, tables=["visits"], storage=str(file.parent / "third.db"))
    assert len(trained) == 1
    again = lines(file)
    assert [line.pop("seconds") > 0 for line in [*kept, *again]]
    assert again == kept


def test_tables_that_are_not_trained_keep_their_place_in_the_report(file: Path) -> None:
    run(file)
    report = (file.parent / "report.md").read_text()
    found = run(file, tables=["again"], storage=str(file.parent / "elsewhere.db"))
    assert set(found) == {"again"}
    assert (file.parent / "report.md").read_text() == report


def test_a_model_that_changed_takes_the_place_of_its_results(file: Path, trained: list[int]) -> None:
    run(file, tables=["visits"])
    old = lines(file)
    write(file, tables={"visits": {**TABLE, "training": {"epochs": 1}, "own_training": ["lr"]}})
    trained.clear()
    run(file, tables=["visits"])
    assert len(trained) >= 2
    new = lines(file)
    assert [line for line in new if line["model"] == "lr"][:2] == [
        line for line in old if line["model"] == "lr"
    ][:2]
    fm = {line["architecture"] for line in new if line["model"] == "fm"}
    assert len(fm) == 1 and fm.isdisjoint(line["architecture"] for line in old)
    # Lines from before the change, as another branch may bring them back, do not return into the study.
    (file.parent / "results.jsonl").write_text("".join(json.dumps(line) + "\n" for line in old))
    trained.clear()
    run(file, tables=["visits"])
    assert trained == [] and lines(file) == new


def test_results_of_another_table_do_not_count(file: Path, trained: list[int]) -> None:
    run(file, tables=["again"])
    found = [line | {"data": "0" * 32} for line in lines(file)]
    (file.parent / "results.jsonl").write_text("".join(json.dumps(line) + "\n" for line in found))
    trained.clear()
    run(file, tables=["again"], storage=str(file.parent / "elsewhere.db"))
    assert trained == [0, 1, 2]


def test_a_line_that_cannot_be_read_is_named(file: Path) -> None:
    run(file, tables=["again"])
    path = file.parent / "results.jsonl"
    path.write_text(path.read_text() + '{"table": "again"}\n')
    with pytest.raises(DataError, match=r"results.jsonl', line 4, model: .*to train the model again"):
        run(file)


def test_out_of_time_nothing_begins(file: Path) -> None:
    run(file, timeout=1e-6)
    assert models(file, "visits") == []
    assert "## visits" in (file.parent / "report.md").read_text()


def test_trainings_at_once_come_to_what_they_come_to_in_turn(file: Path) -> None:
    def kept() -> list[tuple[str, int, float]]:
        study = autofi.open_study("zoo-visits", storage=str(file.parent / "a.db"))
        found = study._handle.models(ModelRole.BASELINE)
        study.close()
        return sorted((model.name, model.seed, model.metrics["test"]["auc"]) for model in found)

    run(file, tables=["visits"])
    in_turn = kept()
    for left in (file.parent / "results.jsonl", *file.parent.glob("a.db*")):
        left.unlink()
    run(file, tables=["visits"], jobs=2)
    assert len(in_turn) == 5
    for one, other in zip(in_turn, kept(), strict=True):
        assert one == (*other[:2], pytest.approx(other[2], abs=1e-6))


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
    with pytest.raises(ConfigError, match="there is no model 'lm'"):
        run(file)
    for wrong, message in (
        ({"epoch": 1}, "key 'tables.visits.training': .* no setting 'epoch': did you mean 'epochs'"),
        ({"patience": -1}, "key 'tables.visits.training': .* 'patience': .* equal to 1; found -1"),
    ):
        write(file, tables={"visits": {**TABLE, "training": wrong}})
        with pytest.raises(ConfigError, match=message):
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
    with pytest.raises(ConfigError, match="no table 'visit'; did you mean 'visits'"):
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
