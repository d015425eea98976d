"""The comparison with other libraries: finished runs stay, killed ones leave nothing, and the summary counts right."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from benchmarks.peers.__main__ import main
from benchmarks.peers.entrants import PEERS, Entrant, pythons, search_with
from benchmarks.peers.pytabkit_worker import _ended_by_itself, _filled
from benchmarks.peers.runs import Key, Results, RunFailedError, run
from benchmarks.peers.summary import compare, summarize
from benchmarks.peers.tables import LABEL, SPLIT, open_table
from benchmarks.peers.worker import cpu_seconds

KEY = Key("LightGBM", "drift:seed=0", 0, 10.0)


def line(key: Key, **figures: Any) -> dict[str, Any]:
    return {"entrant": key.entrant, "table": key.table, "seed": key.seed, "seconds": key.seconds, **figures}


def test_a_finished_run_is_found_again(tmp_path: Path) -> None:
    probabilities = np.array([0.25, 0.5, 0.75])
    Results(tmp_path).add(KEY, probabilities, line(KEY, auc=0.7))
    kept = Results(tmp_path)
    assert kept.lines() == {KEY: line(KEY, auc=0.7)}
    assert kept.predictions(KEY) == pytest.approx(probabilities)
    # Only a run of everything the same is it.
    for other in (Key("CatBoost", KEY.table, 0, 10.0), Key(KEY.entrant, "adult", 0, 10.0)):
        assert other not in kept.lines() and other.file != KEY.file
    for other in (Key(KEY.entrant, KEY.table, 1, 10.0), Key(KEY.entrant, KEY.table, 0, 20.0)):
        assert other not in kept.lines() and other.file != KEY.file


def test_a_repeated_run_takes_the_place_of_the_first(tmp_path: Path) -> None:
    kept = Results(tmp_path)
    for auc in (0.6, 0.7):
        kept.add(KEY, np.array([auc]), line(KEY, auc=auc))
    assert kept.lines() == {KEY: line(KEY, auc=0.7)}
    assert kept.predictions(KEY) == pytest.approx([0.7])


def test_half_a_line_is_no_run_and_spoils_none(tmp_path: Path) -> None:
    kept, other = Results(tmp_path), Key("CatBoost", "adult", 0, 10.0)
    kept.add(KEY, np.zeros(2), line(KEY))
    with kept.lines_path.open("a") as lines:
        lines.write(json.dumps(line(other))[:30])
    assert list(kept.lines()) == [KEY]
    kept.add(other, np.zeros(2), line(other))
    assert list(kept.lines()) == [KEY, other]


def test_models_measured_on_test_rows_are_counted(tmp_path: Path) -> None:
    before = [Results(tmp_path).count_reading("adult", name) for name in ("AutoFI", "TabM", "AutoFI")]
    assert before == [0, 1, 2]
    assert Results(tmp_path).count_reading("drift:seed=0", "AutoFI") == 0
    assert Results(tmp_path).readings() == {"adult": {"AutoFI": 2, "TabM": 1}, "drift:seed=0": {"AutoFI": 1}}


def slow_auc(labels: NDArray[Any], scores: NDArray[Any]) -> float:
    return fmean(
        1.0 if positive > negative else 0.5 if positive == negative else 0.0
        for positive in scores[labels == 1]
        for negative in scores[labels == 0]
    )


def slow_auc_error(labels: NDArray[Any], mine: NDArray[Any], theirs: NDArray[Any]) -> float:
    """Error of the difference of two AUCs by its definition: the deviation of what each row adds."""

    def side(one: int) -> list[float]:
        found = []
        for row in np.flatnonzero(labels == one):
            added = []
            for scores in (mine, theirs):
                others = scores[labels != one]
                wins = fmean((scores[row] > others) + 0.5 * (scores[row] == others))
                added.append(wins if one else 1 - wins)
            found.append(added[0] - added[1])
        return found

    return math.sqrt(sum(stdev(found) ** 2 / len(found) for found in (side(0), side(1))))


def slow_losses(labels: NDArray[Any], found: NDArray[Any]) -> list[float]:
    return [-math.log(p if label else 1 - p) for label, p in zip(labels, found, strict=True)]


@pytest.fixture(scope="module")
def labels() -> NDArray[np.int8]:
    return (np.random.default_rng(0).random(200) < 0.4).astype(np.int8)


def guesses(labels: NDArray[np.int8], *, noise: float, seed: int) -> NDArray[np.float64]:
    """Probabilities that are worse the more noise there is."""
    drawn = np.random.default_rng(seed).standard_normal(len(labels))
    return np.asarray(1 / (1 + np.exp(-(2.0 * labels - 1.0 + noise * drawn).round(1))))


def test_differences_are_paired_over_rows_and_seeds(labels: NDArray[np.int8]) -> None:
    mine = {seed: guesses(labels, noise=1.0, seed=seed) for seed in (0, 1, 2)}
    theirs = {seed: guesses(labels, noise=1.5, seed=10 + seed) for seed in (0, 1)}
    found = compare("t", labels, "AutoFI", {"AutoFI": mine, "TabM": theirs})
    assert found is not None and found.seeds == {"AutoFI": 3, "TabM": 2}
    assert found.metrics["AutoFI"]["auc"] == pytest.approx(
        fmean(slow_auc(labels, of) for of in mine.values())
    )
    # Only seeds that both have are paired.
    aucs = [[slow_auc(labels, of[seed]) for seed in (0, 1)] for of in (mine, theirs)]
    errors = [slow_auc_error(labels, mine[seed], theirs[seed]) for seed in (0, 1)]
    error = math.sqrt(fmean(errors) ** 2 + sum(stdev(of) ** 2 / 2 for of in aucs))
    difference = fmean(aucs[0]) - fmean(aucs[1])
    auc = found.differences["TabM"]["auc"]
    assert auc.difference == pytest.approx(difference)
    assert (auc.low, auc.high) == pytest.approx(
        (difference - 1.959964 * error, difference + 1.959964 * error)
    )
    losses = [[slow_losses(labels, of[seed]) for seed in (0, 1)] for of in (mine, theirs)]
    errors = [
        math.sqrt(sum((a - b - (fmean(one) - fmean(two))) ** 2 for a, b in zip(one, two, strict=True)))
        / len(labels)
        for one, two in zip(*losses, strict=True)
    ]
    error = math.sqrt(fmean(errors) ** 2 + sum(stdev(map(fmean, of)) ** 2 / 2 for of in losses))
    loss = found.differences["TabM"]["logloss"]
    assert loss.difference == pytest.approx(fmean(map(fmean, losses[0])) - fmean(map(fmean, losses[1])))
    assert loss.standard_error == pytest.approx(error)


def test_a_summary_counts_tables_by_what_their_intervals_say(
    tmp_path: Path, labels: NDArray[np.int8]
) -> None:
    """A results file by hand: on one table AutoFI is far ahead, on one it is level, on one far behind."""
    kept = Results(tmp_path)
    good, same, bad = (guesses(labels, noise=noise, seed=1) for noise in (0.2, 1.0, 4.0))
    written = {
        "ahead": {"AutoFI": good, "TabM": bad, "CatBoost": same},
        "level": {"AutoFI": same, "TabM": same, "CatBoost": bad},
        "behind": {"AutoFI": bad, "TabM": good, "CatBoost": good},
    }
    for table, entrants in written.items():
        for name, probabilities in entrants.items():
            key = Key(name, table, 0, 10.0)
            kept.add(key, probabilities, line(key))
    compared = []
    for table in written:
        found = {key.entrant: {0: kept.predictions(key)} for key in kept.lines() if key.table == table}
        one = compare(table, labels, "AutoFI", found)
        assert one is not None
        compared.append(one)
    summary = summarize(compared)
    for metric in ("auc", "logloss"):
        assert [one.best_or_tied(metric) for one in compared] == [True, True, False]
        assert [one.strictly_better(metric) for one in compared] == [True, False, False]
        assert summary.best_or_tied[metric] == summary.best[metric] == 2
        assert summary.strictly_better[metric] == 1
    # AutoFI is 1st, 1st beside TabM, and 3rd.
    assert summary.ranks == pytest.approx(
        {"AutoFI": (1 + 1.5 + 3) / 3, "TabM": 2.0, "CatBoost": (2 + 3 + 1.5) / 3}
    )
    assert (summary.tables, summary.ranked) == (3, 3)


def test_ranks_leave_out_tables_that_somebody_did_not_finish(labels: NDArray[np.int8]) -> None:
    good, bad = (guesses(labels, noise=noise, seed=1) for noise in (0.2, 4.0))
    whole = compare("a", labels, "AutoFI", {"AutoFI": {0: good}, "TabM": {0: bad}, "CatBoost": {0: bad}})
    part = compare("b", labels, "AutoFI", {"AutoFI": {0: bad}, "CatBoost": {0: good}})
    assert whole is not None and part is not None
    summary = summarize([whole, part])
    assert (summary.tables, summary.ranked) == (2, 1)
    assert summary.ranks == {"AutoFI": 1.0, "TabM": 2.5, "CatBoost": 2.5}
    assert compare("c", labels, "AutoFI", {"TabM": {0: good}}) is None
    assert compare("d", labels, "AutoFI", {"AutoFI": {0: good}, "TabM": {1: good}}) is None


def test_options_of_a_search_are_read_as_the_command_line_reads_them() -> None:
    found = search_with("--trials 12 --timeout 2m --space default --objective auc")
    assert found.options == {"trials": 12, "timeout": 120.0, "space": "default", "objectives": ["auc"]}
    assert found.name == "AutoFI --trials 12 --timeout 2m --space default --objective auc"
    for wrong in ("--no-such 1", "--trials many", "--seed 3"):
        with pytest.raises(ValueError, match=wrong.split()[0].strip("-")):
            search_with(wrong)


def test_no_process_is_given_labels_of_test_rows(tmp_path: Path) -> None:
    table = open_table("drift", data=tmp_path, rows=3_000)
    table.write(tmp_path)
    parts = {part: pd.read_parquet(tmp_path / f"{part}.parquet") for part in ("train", "valid", "test")}
    assert LABEL in parts["train"] and LABEL in parts["valid"]
    assert list(parts["test"]) == table.fields
    assert not any(SPLIT in part for part in parts.values())
    assert sum(map(len, parts.values())) == 3_000


def test_real_tables_that_are_not_there_are_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="adult"):
        open_table("adult", data=tmp_path)


def test_a_library_that_cannot_be_installed_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    folder = tmp_path / "file" / "environment"
    found = pythons(PEERS, {"autogluon": folder, "pytabkit": folder})
    assert found[""] == Path(sys.executable)
    assert "autogluon.tabular" in str(found["autogluon"]) and str(folder) in str(found["autogluon"])
    assert "pytabkit" in str(found["pytabkit"])


def test_cpu_seconds_count_work_and_no_sleep() -> None:
    begun = cpu_seconds()
    time.sleep(0.05)
    slept = cpu_seconds() - begun
    until = time.process_time() + 0.1
    while time.process_time() < until:
        pass
    assert slept < 0.04
    assert cpu_seconds() - begun >= 0.1


@pytest.mark.slow
def test_the_command_runs_each_library_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked: dict[str, Any] = {
        "data": tmp_path, "tables": "thresholds,adult", "peers": "LightGBM",
        "autofi": ["--trials 1 --seeds 1 --space deepfm"], "seconds": 2.0, "anytime": None, "seeds": 1, "rows": 1_500,
        "generated_seed": 0, "core": None, "results": tmp_path / "results", "autogluon_environment": tmp_path,
        "pytabkit_environment": tmp_path, "again": "", "report": False,
    }  # fmt: skip
    main(**asked)
    first = capsys.readouterr().out
    assert "adult is left out" in first and "2 of 2 runs to do" in first
    kept = Results(tmp_path / "results")
    lines = kept.lines()
    assert {key.entrant for key in lines} == {"LightGBM", "AutoFI --trials 1 --seeds 1 --space deepfm"}
    table = open_table("thresholds", data=tmp_path, rows=1_500)
    for key, found in lines.items():
        # The probabilities are those of the test rows, in their order: AUC by hand is what was kept.
        assert found["auc"] == pytest.approx(slow_auc(table.test_labels, kept.predictions(key)))
        assert found["auc"] > 0.55 and found["cpu"] < 30
    main(**asked)
    assert "0 of 2 runs to do" in capsys.readouterr().out
    main(**asked | {"again": "LightGBM"})
    assert "1 of 2 runs to do" in capsys.readouterr().out
    assert sum(kept.readings()["thresholds:seed=0,rows=1500"].values()) == 3


@pytest.mark.slow
def test_a_run_that_fails_leaves_nothing_and_says_why(tmp_path: Path) -> None:
    table, rows, work = open_table("drift", data=tmp_path, rows=1_500), tmp_path / "rows", tmp_path / "work"
    rows.mkdir()
    work.mkdir()
    table.write(rows)
    unknown = Entrant("Unknown", "trees_worker", "xgboost")
    with pytest.raises(RunFailedError, match="xgboost"):
        run(
            unknown,
            Path(sys.executable),
            table,
            rows,
            work,
            seed=0,
            seconds=1.0,
            core=min(os.sched_getaffinity(0)),
        )
    assert Results(tmp_path / "results").lines() == {}


def test_a_training_that_ended_by_itself_took_less_than_its_epochs() -> None:
    # One second for what is done once, half a second an epoch.
    assert not _ended_by_itself({1.0: 1.5, 12.0: 7.0})
    assert not _ended_by_itself({1.0: 1.5, 12.0: 7.0, 100.0: 51.0})
    assert _ended_by_itself({1.0: 1.5, 12.0: 7.0, 100.0: 16.0})


def test_missing_numbers_are_the_median_of_training_rows_and_told() -> None:
    train = pd.DataFrame({"x": [1.0, 2.0, 9.0, np.nan], "y": [1.0, 2.0, 3.0, 4.0], "kind": list("abca")})
    test = pd.DataFrame({"x": [np.nan, 5.0], "y": [np.nan, 7.0], "kind": ["a", "z"]})
    filled = _filled({"train": train, "test": test})
    assert filled["train"]["x"].tolist() == [1.0, 2.0, 9.0, 2.0]
    assert filled["test"]["x"].tolist() == [2.0, 5.0] and filled["test"]["y"].tolist() == [2.5, 7.0]
    assert filled["test"]["x is missing"].tolist() == [1.0, 0.0]
    assert list(filled["test"]) == list(filled["train"]) == ["x", "y", "kind", "x is missing"]
