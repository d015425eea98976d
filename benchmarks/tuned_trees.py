"""Boosted trees as good as a search of their own makes them: `python -m benchmarks.tuned_trees TABLE`.

LightGBM and CatBoost with as many trials as a search of AutoFI has, by Optuna's estimator over the form of the columns
and the settings that matter most; the best by validation AUC is trained with several seeds and scores test rows.
Minutes on a table of tens of thousands of rows.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import optuna
import typer
from optuna.trial import BaseTrial, FixedTrial
from rich.console import Console
from rich.table import Table

from autofi.baselines.boosted_trees import Metric, TreeResult, distinct_forms, fit_trees
from autofi.cli.column_options import with_columns
from autofi.data.dataset import EncodedDataset
from autofi.data.load import open_data
from autofi.metrics.ranking import auc, logloss
from autofi.space.builtin import TREES
from autofi.store.search_settings import SearchSettings
from benchmarks.paired import machine


@with_columns
def main(
    table: Annotated[str, typer.Argument(help="A file or a generated source.")],
    target: Annotated[str | None, typer.Option(help="The column of clicks.")] = None,
    library: Annotated[list[str] | None, typer.Option(help="lightgbm or catboost. Repeatable.")] = None,
    trials: Annotated[int, typer.Option(help="Of each library.")] = 13,
    seeds: Annotated[int, typer.Option(help="Trainings of the best.")] = 3,
    seconds: Annotated[float, typer.Option(help="Of one training at most.")] = 120.0,
    threads: Annotated[int, typer.Option(help="Of one training.")] = 1,
    overrides: Any = None,
) -> None:
    """Print the best settings of each library and what they come to."""
    columns = {} if overrides is None else overrides.model_dump(mode="json", exclude_defaults=True)
    dataset = open_data(table, SearchSettings(table, target=target, overrides=columns))
    shown = Table(title=f"{table}: {trials} trials, {seeds} seeds", caption=machine())
    for heading in ("", "valid AUC", "test AUC", "test logloss", "settings"):
        shown.add_column(heading)
    for name in library or TREES:
        shown.add_row(*_tuned(name, dataset, trials, seeds, {"time_limit": seconds, "threads": threads}))
    Console(width=160).print(shown)


def _tuned(name: str, dataset: EncodedDataset, trials: int, seeds: int, limits: dict[str, Any]) -> list[str]:
    best = tune(name, dataset, trials=trials, **limits)
    labels = np.asarray(dataset.rows("test").labels)
    found = [fit(name, dataset, FixedTrial(best.settings), seed=seed, **limits) for seed in range(seeds)]
    tests = [auc(labels, result.predictions["test"]) for result in found]
    losses = [logloss(labels, result.predictions["test"]) for result in found]
    spread = f" ± {np.std(tests, ddof=1):.4f}" if seeds > 1 else ""
    told = ", ".join(
        f"{key} {value:.3g}" if isinstance(value, float) else f"{key} {value}"
        for key, value in best.settings.items()
    )
    return [
        name,
        f"{np.mean([result.valid_auc for result in found]):.4f}",
        f"{np.mean(tests):.4f}{spread}",
        f"{np.mean(losses):.4f}",
        told,
    ]


@dataclass(frozen=True)
class Tuned:
    """The best of some trials: its settings, and its training."""

    settings: dict[str, Any]
    result: TreeResult
    trials: int


def tune(
    name: str,
    dataset: EncodedDataset,
    *,
    trials: int | None = None,
    seconds: float = math.inf,
    starts: Sequence[dict[str, Any]] = (),
    seed: int = 0,
    metric: Metric = "auc",
    time_limit: float = math.inf,
    threads: int = 1,
) -> Tuned:
    """Return the best of `trials`, or of as many as `seconds` allow, at least one.

    Args:
        starts: Settings that are tried first.
        metric: Metric of validation rows that ends a training, and that chooses the best one.
        time_limit: Seconds of one training at most.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sign = 1.0 if metric == "auc" else -1.0
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
    for start in starts:
        study.enqueue_trial(start)
    deadline, best = time.monotonic() + seconds, None
    while best is None or ((trials is None or len(study.trials) < trials) and time.monotonic() < deadline):
        trial = study.ask()
        left = min(time_limit, deadline - time.monotonic())
        result = fit(name, dataset, trial, seed=seed, metric=metric, time_limit=left, threads=threads)
        score = sign * (result.valid_auc if metric == "auc" else result.valid_logloss)
        if best is None or score > study.best_value:
            best = result
        study.tell(trial, score)
    return Tuned(study.best_params, best, len(study.trials))


def fit(name: str, dataset: EncodedDataset, trial: BaseTrial, *, seed: int, **limits: Any) -> TreeResult:
    """Return the training with the settings of a trial."""
    form = trial.suggest_categorical("form", distinct_forms(name, dataset))
    parameters = _lightgbm(trial) if name == "lightgbm" else _catboost(trial)
    return fit_trees(name, dataset, seed=seed, forms=(form,), parameters=parameters, **limits)


def _lightgbm(trial: BaseTrial) -> dict[str, Any]:
    return {
        "num_leaves": trial.suggest_int("num_leaves", 8, 128, log=True),
        "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.1, log=True),
        "min_data_in_leaf": trial.suggest_int("min_data_in_leaf", 5, 100, log=True),
        "lambda_l2": trial.suggest_float("lambda_l2", 1e-3, 10.0, log=True),
        "feature_fraction": trial.suggest_float("feature_fraction", 0.4, 1.0),
    }


def _catboost(trial: BaseTrial) -> dict[str, Any]:
    return {
        "depth": trial.suggest_int("depth", 4, 8),
        "learning_rate": trial.suggest_float("learning_rate", 0.03, 0.15, log=True),
        "l2_leaf_reg": trial.suggest_float("l2_leaf_reg", 1.0, 10.0, log=True),
    }


if __name__ == "__main__":
    typer.run(main)
