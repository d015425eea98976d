"""Which trial wins, by the rule of the finals before and now? `python -m benchmarks.finals_rule --data FOLDER`.

One search per table; the trials are the same for both rules, and so are the seeds that finalists are judged by. Before,
a trial with more pairs than the sure ones went into the finals only where it was ahead of the best other one by a
standard error of the AUC, and of three finalists at most the lowest mean logloss won. Both winners are then retrained
and read test rows: nothing is chosen by them.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow.parquet as pq
import typer
from rich.console import Console
from rich.table import Table

import autofi
from autofi.data.schema_overrides import SchemaOverrides
from autofi.engine.finalists import SEEDS
from autofi.metrics.ranking import delong
from autofi.records.best_trial import decide, feasible_trials
from autofi.records.models import recorded
from autofi.records.predictions import load_labels, load_predictions, trial_key
from autofi.space.architecture import Architecture
from autofi.store import ModelRole, StudyHandle, TrialRecord
from benchmarks.paired import machine

TABLES = ("click_prediction_small", "adult", "flight_delays")
#: Of the rule before: variants of the pairs that were let in, and finalists at most.
SURE_PAIRS, FINALISTS = ("selected", "embeddings"), 3
#: Characters of a printed line, which the table needs.
WIDTH = 140


def finalists_before(handle: StudyHandle) -> list[TrialRecord]:
    """The finalists by the rule before."""
    ranked, labels = feasible_trials(handle), load_labels(handle, "valid")
    assert labels is not None

    def ahead(leader: TrialRecord, other: TrialRecord) -> bool:
        mine, theirs = (load_predictions(handle, trial_key(one.number))["valid"] for one in (leader, other))
        return leader.number != other.number and delong(labels, mine, theirs).z > 1.0

    modest = [trial for trial in ranked if trial.params.get("pairs", "selected") in SURE_PAIRS]
    if modest and not ahead(ranked[0], modest[0]):
        ranked = modest
    equals = [trial for trial in ranked if not ahead(ranked[0], trial)]
    return sorted(equals, key=lambda trial: (trial.valid or {})["logloss"] or 0.0)[:FINALISTS]


def winner_before(study: autofi.Study, *, seed: int) -> TrialRecord:
    """The winner by the rule before; finalists that the search did not train again are trained with the same seeds."""
    handle, bench = study._handle, study._bench
    assert bench is not None

    def mean(trial: TrialRecord) -> float:
        known = recorded(handle, ModelRole.FINALIST, "finalist", trial.architecture_id, refit=False)
        losses = [float((trial.valid or {})["logloss"] or 0.0)]
        for number in range(seed + 1, seed + SEEDS):
            if number in known:
                losses.append(known[number].metrics["valid"]["logloss"])
            else:
                losses.append(
                    bench.train(Architecture.from_json(trial.architecture), seed=number).report.logloss
                )
        return statistics.fmean(losses)

    found = finalists_before(handle)
    return min(found, key=mean) if len(found) > 1 else found[0]


def compared(
    name: str, path: Path, *, trials: int, seeds: int, rows: int | None, seed: int
) -> list[dict[str, Any]]:
    """Both winners of a table, a row each."""
    table = pq.read_table(path)
    if rows is not None and rows < table.num_rows:
        table = table.take(np.sort(np.random.default_rng(0).choice(table.num_rows, rows, replace=False)))
    overrides = SchemaOverrides(split_column="split")
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        study = autofi.search(
            table, target="label", overrides=overrides, study=name, storage=f"{folder}/a.db", trials=trials,
            seeds=seeds, seed=seed, baselines=(), device="auto",
        )  # fmt: skip
        before, now = winner_before(study, seed=seed), study._handle.trial(decide(study._handle).winner)
        if before.number != now.number:
            study.retrain(before.number, seeds=seeds)
        summary = study.summary()
        models = {now.number: summary["winner"]} | {model["trial"]: model for model in summary["retrained"]}
        study.close()
    seconds = time.perf_counter() - begun
    return [
        {"table": name, "rule": rule, "trial": trial, "test": models[trial.number], "seconds": seconds,
         "reason": " ".join(summary["reasons"]) if rule == "now" else ""}
        for rule, trial in (("before", before), ("now", now))
    ]  # fmt: skip


def main(
    data: Annotated[Path, typer.Option(help="Folder with a folder per table.")] = Path("../shared/data"),
    tables: Annotated[str, typer.Option(help="Tables, with commas.")] = ",".join(TABLES),
    trials: Annotated[int, typer.Option(min=1)] = 12,
    seeds: Annotated[int, typer.Option(help="Trainings of either winner.", min=1)] = 3,
    rows: Annotated[
        int | None, typer.Option(help="A random part of the rows, for a trial run.", min=100)
    ] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """Search every table once, and print the winners of both rules."""
    out = Console(width=WIDTH)
    shown = Table(title=f"Winners by the rule before and now, {trials} trials", caption=machine())
    for heading in (
        "table",
        "rule",
        "trial",
        "pairs",
        "valid AUC",
        "valid logloss",
        "test AUC",
        "test logloss",
        "bytes",
    ):
        shown.add_column(heading, justify="left" if heading in ("table", "rule", "pairs") else "right")
    for name in tables.split(","):
        found = compared(name, data / name / "data.parquet", trials=trials, seeds=seeds, rows=rows, seed=seed)
        for row in found:
            trial, test = row["trial"], row["test"]["test"]
            valid, deviation = trial.valid or {}, test["auc_std"]
            shown.add_row(
                name, row["rule"], str(trial.number), str(trial.params.get("pairs", "")), f"{valid['auc']:.4f}",
                f"{valid['logloss']:.4f}", f"{test['auc']:.4f}" + (f" ± {deviation:.4f}" if deviation else ""),
                f"{test['logloss']:.4f}", f"{trial.table_bytes or 0:,}",
            )  # fmt: skip
        out.print(f"{name}: {found[0]['seconds']:.0f} s. {found[1]['reason']}", markup=False)
    out.print(shown)


if __name__ == "__main__":
    typer.run(main)
