"""A search after AUC and small tables, within a limit: its front, its winner, and the export of any point."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import autofi
from autofi.cli.app import app
from autofi.data.planted import PlantedSpec, generate
from autofi.errors import ConfigError, LimitError, StudyMismatchError
from autofi.store import ModelRole, StudyHandle, StudyStore, resolve_storage

SPACE = Path(__file__).parent / "spaces" / "sizes.yaml"
OBJECTIVES, LIMIT, TRIALS = ["auc", "table_bytes"], 40_000, 6


def search(source: Path, **changes: Any) -> autofi.Study:
    given: dict[str, Any] = {
        "target": "click",
        "space": SPACE,
        "study": "mine",
        "storage": str(source.parent / "a.db"),
        "trials": TRIALS,
        "seeds": 1,
        "baselines": ("lr",),
        "device": "cpu",
    }
    return autofi.search(source, **given | changes)


@dataclass(frozen=True)
class Searched:
    """A study, and what reads it."""

    study: autofi.Study
    source: Path

    @property
    def storage(self) -> str:
        return str(self.source.parent / "a.db")

    @property
    def handle(self) -> StudyHandle:
        return self.study._handle

    def run(self, *words: str) -> Any:
        return CliRunner(env={"COLUMNS": "160"}).invoke(app, [*words, "--storage", self.storage])


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("objectives") / "clicks.parquet"
    generate(PlantedSpec(rows=3000, seed=1)).table.to_pandas().to_parquet(path)
    return path


@pytest.fixture(scope="module")
def searched(source: Path) -> Iterator[Searched]:
    study = search(source, objectives=OBJECTIVES, limits=[f"table_bytes<={LIMIT}"])
    yield Searched(study, source)
    study.close()


def test_the_winner_keeps_the_limit_and_the_front_is_not_beaten(searched: Searched) -> None:
    board, front = searched.study.leaderboard(), searched.study.front()
    assert len(board) == TRIALS
    assert board["feasible"].tolist() == (board["table_bytes"] <= LIMIT).tolist()
    assert not board["feasible"].all()  # the space's defaults are wider than the limit
    best = searched.study.summary()["best"]
    assert board.set_index("trial").loc[best["trial"], "feasible"]
    within = board[board["feasible"]]
    points = list(zip(within["valid_auc"].tolist(), within["table_bytes"].tolist(), strict=True))
    expected = [
        trial
        for trial, mine in zip(within["trial"].tolist(), points, strict=True)
        if not any(other[0] >= mine[0] and other[1] <= mine[1] and other != mine for other in points)
    ]
    assert front["trial"].tolist() == expected
    assert list(front.columns) == ["trial", "architecture", "architecture_id", "auc", "table_bytes"]
    assert (board["flops"] > 0).all()
    assert board["latency"].isna().all()  # measured where it is asked for


def test_optuna_sees_both_objectives_and_what_is_infeasible(searched: Searched) -> None:
    study = searched.handle.optuna_study
    assert study.metric_names == ["valid AUC", "table bytes"]
    assert [direction.name for direction in study.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert sorted(trial.number for trial in study.best_trials) == sorted(searched.study.front()["trial"])


def test_show_and_the_report_tell_the_front(searched: Searched, tmp_path: Path) -> None:
    shown = searched.run("show", "mine")
    assert shown.exit_code == 0, shown.output
    assert "Goals:   auc, then table_bytes, with table_bytes at most 40.0 kB" in shown.stdout
    assert "Front:" in shown.stdout
    summary = json.loads(searched.run("show", "mine", "--json").stdout)
    assert summary == searched.study.summary()
    assert summary["objectives"] == OBJECTIVES
    assert [point["trial"] for point in summary["front"]] == searched.study.front()["trial"].tolist()
    assert summary["missed"] == []
    report = (searched.study.report(tmp_path, "md") / "report.md").read_text()
    assert "## Front" in report
    assert "| trial | valid AUC | table bytes | architecture |" in report


def test_any_point_is_exported_and_costs_what_was_recorded(searched: Searched, tmp_path: Path) -> None:
    won = searched.handle.stage("winner")
    assert won is not None
    # Beyond the limit, and never retrained: the one that was asked for is exported all the same.
    board = searched.study.leaderboard().set_index("trial")
    for trial in {*searched.study.front()["trial"], 0}:
        folder = tmp_path / str(trial)
        exported = searched.run("export", "mine", "--trial", str(trial), "-o", str(folder))
        assert exported.exit_code == 0, exported.output
        told = (
            f"Trial {trial} has no bundle yet, so its architecture is retrained with one seed."
            in exported.stderr
        )
        assert told == (trial != won["trial"])
        predictor = autofi.load(folder)
        costs = predictor.costs()
        assert predictor.architecture.id == board.loc[trial, "architecture_id"]
        for name in ("parameters", "table_bytes", "flops"):
            assert costs[name] == board.loc[trial, name]
        again = searched.run("export", "mine", "--trial", str(trial), "-o", str(folder))
        assert "retrained" not in again.stderr
    assert len(searched.handle.models(ModelRole.WINNER)) == 1
    assert searched.handle.stage("winner") == won
    (listed,) = autofi.list_studies(searched.storage)
    assert (listed.winner, listed.trials) == (won["architecture_id"], TRIALS)
    assert listed.best_valid_auc == board[board["feasible"]]["valid_auc"].max()


def test_an_unknown_trial_is_not_exported(searched: Searched, tmp_path: Path) -> None:
    refused = searched.run("export", "mine", "--trial", "99", "-o", str(tmp_path / "model"))
    assert refused.exit_code == 2
    assert "no finished trial 99" in refused.stderr


def test_a_resume_keeps_what_the_study_is_after_and_refuses_anything_else(searched: Searched) -> None:
    again = search(searched.source)
    assert len(again.leaderboard()) == TRIALS
    again.close()
    missing = searched.source.with_name("missing.parquet")  # refused before it is looked for
    with pytest.raises(
        StudyMismatchError, match=r"other objectives or limits \(auc, table_bytes, .*, now auc, table_bytes<="
    ):
        search(missing, objectives=["auc"])
    with pytest.raises(StudyMismatchError, match="now auc, table_bytes, table_bytes<=50000.0"):
        search(missing, limits=["table_bytes<=50kB"])


def test_a_resume_with_another_seed_is_refused_for_that_reason(searched: Searched) -> None:
    missing = searched.source.with_name(
        "missing.parquet"
    )  # the split follows the seed: data is not looked at
    with pytest.raises(
        StudyMismatchError, match=r"another seed \(0, now 5\); leave it out to go on \(--seed\)"
    ):
        search(missing, seed=5)
    words = ["search", str(missing), "--target", "click", "--space", str(SPACE), "--study", "mine"]
    refused = searched.run(*words, "--seed", "5")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "study 'mine' was made with another seed (0, now 5)" in refused.stderr
    with StudyStore(resolve_storage(searched.storage)) as store:
        assert (store.settings("mine") or {})["seed"] == 0
    search(searched.source, seed=0).close()


def test_without_a_feasible_trial_nothing_wins_and_the_miss_is_told(source: Path) -> None:
    words = [
        "search",
        str(source),
        "--target",
        "click",
        "--space",
        str(SPACE),
        "--study",
        "none",
        "--trials",
        "2",
    ]
    words += ["--objective", "auc", "--objective", "flops", "--max", "table_bytes=1kB", "--min", "auc=0.1"]
    storage = str(source.parent / "none.db")
    runner = CliRunner(env={"COLUMNS": "160", "AUTOFI_STORAGE": storage})
    refused = runner.invoke(app, [*words, "--device", "cpu", "--baselines", "none", "--quiet"])
    assert refused.exit_code == 2
    (line,) = refused.stderr.strip().splitlines()
    assert "None of the 2 architectures of study 'none' keeps every limit" in line
    assert "is over 1.0 kB by" in line
    shown = runner.invoke(app, ["show", "none"])
    assert shown.exit_code == 0, shown.output
    assert "No architecture keeps the limits; the closest one misses them: table_bytes" in shown.stdout
    summary = json.loads(runner.invoke(app, ["show", "none", "--json"]).stdout)
    assert (summary["best"], summary["winner"], summary["front"]) == (None, None, None)
    assert len(summary["missed"]) == 1
    assert summary["baselines"] == []
    # What is made the winner by its number wins all the same, and what it misses is told.
    words = ["retrain", "none", "--trial", "1", "--make-winner", "--seeds", "1", "--quiet"]
    assert runner.invoke(app, words).exit_code == 0
    summary = json.loads(runner.invoke(app, ["show", "none", "--json"]).stdout)
    assert (summary["best"], summary["winner"]["seeds"], len(summary["missed"])) == (None, 1, 1)
    assert (
        "The retrained winner misses the limits: table_bytes" in runner.invoke(app, ["show", "none"]).stdout
    )
    with StudyStore(resolve_storage(storage)) as store:
        study = autofi.open_study("none", storage=storage)
        assert store.list()[0].best_valid_auc is None
        with pytest.raises(LimitError):
            study.front()
        study.close()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--objective", "acu"], "No objective is named 'acu': did you mean 'auc'"),
        (["--max", "table_bytes"], "--max 'table_bytes' is not NAME=VALUE"),
        (["--min", "auc=high"], "The limit of auc is 'high'; write a number"),
    ],
)
def test_wrong_goals_are_refused_before_the_table_is_read(
    words: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    refused = CliRunner().invoke(app, ["search", "missing.csv", *words])
    assert refused.exit_code == 2
    assert told in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_gauc_needs_groups(source: Path) -> None:
    with pytest.raises(ConfigError, match="there is no group column; name a --group column"):
        search(source, study="grouped", objectives=["gauc"])
    assert "grouped" not in {study.name for study in autofi.list_studies(str(source.parent / "a.db"))}


def test_another_objective_than_auc_decides_by_itself(source: Path, tmp_path: Path) -> None:
    study = search(
        source,
        storage=str(tmp_path / "b.db"),
        objectives=["latency", "gauc"],
        overrides=autofi.SchemaOverrides(group="hour"),
        trials=2,
        baselines=(),
    )
    board = study.leaderboard()
    assert (board["latency"] > 0).all()
    assert board["valid_gauc"].between(0, 1).all()
    assert study.best.id == board.sort_values("latency")["architecture_id"].iloc[0]
    assert study._handle.models(ModelRole.FINALIST) == ()
    (listed,) = autofi.list_studies(str(tmp_path / "b.db"))
    assert (listed.trials, listed.best_valid_auc) == (2, board["valid_auc"].max())
    study.close()
