"""RealMLP and TabM by pytabkit, the best epoch by validation logloss.

Their settings are the defaults, with two exceptions. RealMLP smooths no labels, as in TabArena: that would spoil its
probabilities. TabM's batches grow with the rows, and it is small where a few epochs of its usual size take too long.

Neither keeps a time limit by itself: RealMLP can be stopped before its learning rate has fallen, TabM not at all. So an
epoch of some rows is timed, then a training of as many epochs as there seems to be time for, and so on until no longer
one fits in; where there is no time for an epoch, it is of a part of the rows. The best by validation logloss is kept.

TabM holds every value of a category as a column. Categories of more than `MOST_COLUMNS` values are told to it by their
clicks instead, out of fold (scikit-learn's TargetEncoder).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.peers.worker import LABEL, Answer, Task, answer

MOST_COLUMNS = 100
#: Epochs that are usual. TabM's own number has no end; training stops after 16 epochs without anything better.
EPOCHS = {"realmlp": 256, "tabm": 10_000}
#: Rows of the first training, and validation rows at most: every epoch is scored on them.
FIRST_ROWS, VALID_ROWS = 2_000, 4_000
#: A TabM of 16 members, 128 wide, and how many times its work the usual one has, of 32 members, 512 wide.
SMALL, LARGE_COST = {"tabm_k": 16, "d_block": 128}, 23
#: Epochs that there must be time for, or TabM stays small.
LARGE_EPOCHS = 8
#: A training has at most so many times the epochs of the one before, as the first is timed badly, and at least so many.
GROWTH, LEAST = 12, 1.5
#: Share of the time that is left, less that of scoring test rows, for a training; the rest is for what it does beside.
SHARE = 0.9


def prepare(task: Task) -> Callable[[], Answer]:
    import torch
    from pytabkit import RealMLP_TD_Classifier, TabM_D_Classifier
    from pytabkit.models.alg_interfaces.tabm_interface import get_tabm_auto_batch_size
    from sklearn.metrics import log_loss

    torch.set_num_threads(1)
    parts = {part: task.rows(part) for part in ("train", "valid", "test")}
    if len(parts["valid"]) > VALID_ROWS:
        parts["valid"] = parts["valid"].sample(VALID_ROWS, random_state=task.seed)
    model: Any = {"realmlp": RealMLP_TD_Classifier, "tabm": TabM_D_Classifier}[task.variant]
    own: dict[str, Any] = {"use_ls": False}
    if task.variant == "tabm":
        own = {"batch_size": get_tabm_auto_batch_size(len(parts["train"]))}

    def fit() -> Answer:
        begun = time.monotonic()
        labels = {part: parts[part].pop(LABEL).to_numpy() for part in ("train", "valid")}
        fields = _filled(parts)
        if task.variant == "tabm":
            _encode_wide(fields, labels["train"], seed=task.seed)
        texts = [name for name in fields["train"] if fields["train"][name].dtype != float]
        order = np.random.default_rng(task.seed).permutation(len(labels["train"]))

        def trained(epochs: int, rows: int, seconds: float | None, sizes: dict[str, int]) -> Any:
            made = model(
                device="cpu", random_state=task.seed, n_cv=1, n_refit=0, n_threads=1, n_epochs=epochs, verbosity=0,
                val_metric_name="cross_entropy", **(own | sizes | task.options),
            )  # fmt: skip
            limit = {"time_to_fit_in_seconds": seconds} if task.variant == "realmlp" else {}
            chosen = order[:rows]
            return made.fit(
                fields["train"].iloc[chosen], labels["train"][chosen], fields["valid"], labels["valid"],
                cat_col_names=texts, **limit,
            )  # fmt: skip

        best, epochs, rows = None, 1, min(FIRST_ROWS, len(order))
        sizes = SMALL if task.variant == "tabm" else {}
        #: By epochs of all rows, or a share of one, the seconds of its training.
        took: dict[float, float] = {}
        while True:
            first, amount = time.monotonic(), epochs * rows / len(order)
            fitted = trained(epochs, rows, task.seconds - (first - begun) if took else None, sizes)
            scored = time.monotonic()
            score = log_loss(labels["valid"], fitted.predict_proba(fields["valid"]))
            ahead = (time.monotonic() - scored) * len(fields["test"]) / len(fields["valid"])
            if best is None or score < best[0]:
                best = (score, fitted)
            took[amount] = time.monotonic() - first
            within = SHARE * (task.seconds - (time.monotonic() - begun) - ahead) / took[amount] * amount
            if sizes and within > LARGE_COST * LARGE_EPOCHS:
                took, sizes = {}, {}
                epochs, rows = 1, min(FIRST_ROWS, len(order))
                continue
            following = min(EPOCHS[task.variant], GROWTH * amount, within)
            epochs, rows = max(1, int(following)), min(len(order), int(following * len(order)))
            if following < LEAST * amount or _ended_by_itself(took):
                break
        told = ", ".join(f"{amount:.2g}" for amount in took)
        size = "small, " if sizes else ""
        return Answer(
            best[1].predict_proba(fields["test"])[:, 1], f"{size}trainings of {told} epochs at most"
        )

    return fit


def _ended_by_itself(took: dict[float, float]) -> bool:
    """Return True if the last training took much less than its epochs would: nothing had got better, so it ended."""
    if len(took) < 3:
        return False
    (first, one), (second, two), (last, three) = list(took.items())[-3:]
    return three < two + (two - one) / (second - first) * (last - second) / 2


def _filled(parts: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Return the parts with missing numbers as the median of training rows, and a column that tells them."""
    train = parts["train"]
    holes = [name for name in train if train[name].dtype == float and train[name].isna().any()]
    numbers = [name for name in train if train[name].dtype == float]
    medians = train[numbers].median()
    return {
        part: pd.concat(
            [frame.fillna(medians), (frame[holes].isna() * 1.0).add_suffix(" is missing")], axis=1
        )
        for part, frame in parts.items()
    }


def _encode_wide(fields: dict[str, pd.DataFrame], labels: np.ndarray[Any, Any], *, seed: int) -> None:
    from sklearn.preprocessing import TargetEncoder

    train = fields["train"]
    wide = [
        str(name) for name in train if train[name].dtype != float and train[name].nunique() > MOST_COLUMNS
    ]
    if wide:
        encoder = TargetEncoder(target_type="binary", random_state=seed)
        values = {"train": encoder.fit_transform(train[wide], labels)}
        values |= {part: encoder.transform(fields[part][wide]) for part in ("valid", "test")}
        for part, frame in fields.items():
            fields[part] = frame.assign(**dict(zip(wide, values[part].T, strict=True)))


if __name__ == "__main__":
    answer(prepare)
