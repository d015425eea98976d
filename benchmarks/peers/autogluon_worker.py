"""AutoGluon's `best_quality`, with logloss as its metric, folds one after the other on one core.

Where rows are split by chance it takes training and validation rows together, as it makes folds of its own. Elsewhere
validation rows stay apart and choose among its models: its folds would hide what the split is about.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.peers.worker import LABEL, Answer, Task, answer


def prepare(task: Task) -> Callable[[], Answer]:
    import torch
    from autogluon.tabular import TabularPredictor

    torch.set_num_threads(1)
    torch.set_num_interop_threads(1)
    parts = {part: _as_categories(task.rows(part)) for part in ("train", "valid", "test")}

    def fit() -> Answer:
        if task.by_chance:
            rows: dict[str, Any] = {
                "train_data": pd.concat([parts["train"], parts["valid"]], ignore_index=True)
            }
        else:
            rows = {"train_data": parts["train"], "tuning_data": parts["valid"], "use_bag_holdout": True}
        predictor = TabularPredictor(
            label=LABEL, problem_type="binary", eval_metric="log_loss", path=str(Path(task.work) / "models"),
            verbosity=0,
        )  # fmt: skip
        predictor.fit(
            **rows, presets="best_quality", time_limit=task.seconds, num_cpus=1, num_gpus=0,
            ag_args_ensemble={"fold_fitting_strategy": "sequential_local"}, ds_args={"enable_ray_logging": False},
            **task.options,
        )  # fmt: skip
        probabilities = predictor.predict_proba(parts["test"])[1].to_numpy()
        return Answer(probabilities, f"{len(predictor.model_names())} models, {predictor.model_best}")

    return fit


def _as_categories(frame: pd.DataFrame) -> pd.DataFrame:
    texts = [name for name in frame.columns if name != LABEL and frame[name].dtype != float]
    return frame.astype(dict.fromkeys(texts, "category"))


if __name__ == "__main__":
    answer(prepare)
