"""AutoFI's search, and the exported winner's probabilities."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.peers.worker import LABEL, Answer, Task, answer


def prepare(task: Task) -> Callable[[], Answer]:
    import torch

    import autofi
    from autofi.export import export  # noqa: F401  imported by `Study.export`

    torch.set_num_threads(1)
    # Kinds of columns are inferred, as they are for a user.
    overrides = autofi.SchemaOverrides(multi_valued=task.multi_valued)
    train, valid, test = (pd.read_parquet(task.path(part)) for part in ("train", "valid", "test"))

    given: dict[str, Any] = {"timeout": task.seconds, "baselines": (), "device": "cpu"} | task.options

    def fit() -> Answer:
        folder = Path(task.work)
        study = autofi.search(
            train, valid=valid, target=LABEL, overrides=overrides, study="peers",
            storage=f"sqlite:///{folder}/studies.db", seed=task.seed,
            **given,
        )  # fmt: skip
        bundle = study.export(folder / "bundle", forms=("torch",))
        probabilities = autofi.load(bundle, runtime="torch").predict_proba(test)
        note = f"{len(study.leaderboard())} trials"
        study.close()
        return Answer(probabilities, note)

    return fit


if __name__ == "__main__":
    answer(prepare)
