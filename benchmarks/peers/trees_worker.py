"""LightGBM and CatBoost, in the forms of the columns that AutoFI's baselines try, with early stopping by logloss.

By default their usual settings; tuned, as many trials of Optuna as there is time for, the usual settings first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from benchmarks.peers.worker import LABEL, Answer, Task, answer

#: The usual settings, as a trial of `benchmarks.tuned_trees`.
USUAL: dict[str, dict[str, Any]] = {
    "lightgbm": {
        "num_leaves": 31, "learning_rate": 0.05, "min_data_in_leaf": 20, "lambda_l2": 1e-3, "feature_fraction": 1.0,
    },
    "catboost": {"depth": 6, "learning_rate": 0.06, "l2_leaf_reg": 3.0},
}  # fmt: skip


def prepare(task: Task) -> Callable[[], Answer]:
    import lightgbm  # noqa: F401  its import is not counted

    from autofi.baselines.boosted_trees import distinct_forms, fit_trees
    from autofi.data.load import open_data
    from autofi.data.schema_overrides import SchemaOverrides
    from autofi.store.search_settings import SearchSettings
    from benchmarks.tuned_trees import tune

    name, _, way = task.variant.partition(" ")
    if name == "catboost":
        import catboost  # noqa: F401
    train, valid, test = (pd.read_parquet(task.path(part)) for part in ("train", "valid", "test"))
    categorical = [column for column in test if column not in (*task.numeric, *task.multi_valued)]
    overrides = SchemaOverrides(
        categorical=tuple(categorical), numeric=tuple(task.numeric), multi_valued=task.multi_valued
    )
    settings = SearchSettings(None, target=LABEL, overrides=overrides.to_json(), seed=task.seed)

    def fit() -> Answer:
        # The labels of test rows are not known here; those of training rows stand in, and nothing reads them.
        stand_in = train[LABEL].sample(len(test), replace=True, random_state=0).to_numpy()
        dataset = open_data(train, settings, valid=valid, test=test.assign(**{LABEL: stand_in}))
        if way != "tuned":
            result = fit_trees(name, dataset, seed=task.seed, metric="logloss", time_limit=task.seconds)
            return Answer(result.predictions["test"], f"{result.form}, {result.iterations} trees")
        found = tune(
            name,
            dataset,
            seconds=task.seconds,
            starts=[{"form": form} | USUAL[name] for form in distinct_forms(name, dataset)],
            seed=task.seed,
            metric="logloss",
        )
        note = f"{found.trials} trials, {found.result.form}, {found.result.iterations} trees"
        return Answer(found.result.predictions["test"], note)

    return fit


if __name__ == "__main__":
    answer(prepare)
