"""Boosted trees as good as a search of their own makes them: `python -m benchmarks.tuned_trees TABLE`.

LightGBM and CatBoost with as many trials as a search of AutoFI has, by Optuna's estimator over the form of the columns
and the settings that matter most; the best by validation AUC is trained with several seeds and scores test rows.
Minutes on a table of tens of thousands of rows.
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
import optuna
import typer
from rich.console import Console
from rich.table import Table

from autofi.baselines.boosted_trees import distinct_forms, fit_trees
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
    forms = distinct_forms(name, dataset)

    def train(trial: optuna.trial.BaseTrial, seed: int) -> Any:
        form = trial.suggest_categorical("form", forms)
        parameters = _lightgbm(trial) if name == "lightgbm" else _catboost(trial)
        return fit_trees(name, dataset, seed=seed, forms=(form,), parameters=parameters, **limits)

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))
    study.optimize(lambda trial: float(train(trial, 0).valid_auc), n_trials=trials)
    fixed = optuna.trial.FixedTrial(study.best_params)
    labels = np.asarray(dataset.rows("test").labels)
    found = [train(fixed, seed) for seed in range(seeds)]
    tests = [auc(labels, result.predictions["test"]) for result in found]
    losses = [logloss(labels, result.predictions["test"]) for result in found]
    spread = f" ± {np.std(tests, ddof=1):.4f}" if seeds > 1 else ""
    told = ", ".join(
        f"{key} {value:.3g}" if isinstance(value, float) else f"{key} {value}"
        for key, value in study.best_params.items()
    )
    return [
        name,
        f"{np.mean([result.valid_auc for result in found]):.4f}",
        f"{np.mean(tests):.4f}{spread}",
        f"{np.mean(losses):.4f}",
        told,
    ]


def _lightgbm(trial: optuna.trial.BaseTrial) -> dict[str, Any]:
    return {
        "num_leaves": trial.suggest_int("num_leaves", 8, 128, log=True),
        "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.1, log=True),
        "min_data_in_leaf": trial.suggest_int("min_data_in_leaf", 5, 100, log=True),
        "lambda_l2": trial.suggest_float("lambda_l2", 1e-3, 10.0, log=True),
        "feature_fraction": trial.suggest_float("feature_fraction", 0.4, 1.0),
    }


def _catboost(trial: optuna.trial.BaseTrial) -> dict[str, Any]:
    return {
        "depth": trial.suggest_int("depth", 4, 8),
        "learning_rate": trial.suggest_float("learning_rate", 0.03, 0.15, log=True),
        "l2_leaf_reg": trial.suggest_float("l2_leaf_reg", 1.0, 10.0, log=True),
    }


if __name__ == "__main__":
    typer.run(main)
