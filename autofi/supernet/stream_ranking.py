"""Which set of streams does best beside what was chosen, by the weights of a supernet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from autofi.model.network import Layout
from autofi.supernet.recalibration import recalibrate
from autofi.supernet.supernet import Supernet
from autofi.training.fit import predict
from autofi.training.metrics import logloss
from autofi.training.rows import RowSource


@dataclass(frozen=True)
class Judged:
    """A trained supernet, the rows it learned from and those it is judged by."""

    supernet: Supernet
    training: torch.Tensor
    judging: torch.Tensor


def inherited(
    judged: Judged, rows: RowSource, layout: Layout, streams: int | None
) -> npt.NDArray[np.float64]:
    """Click probabilities of the judging rows by what the supernet has learned of one architecture."""
    supernet = judged.supernet
    supernet.activate(layout)
    supernet.choose_streams(streams)
    recalibrate(supernet, rows, judged.training)
    found = predict(supernet, rows, judged.judging)
    supernet.choose_streams(None)
    supernet.reset()
    return found


def rank_streams(
    folds: Sequence[Judged], rows: RowSource, labels: npt.NDArray[np.float32], layout: Layout
) -> list[int]:
    """The sets of streams by their logloss over all folds, best first; equal ones in the order of the space."""
    sets = range(len(folds[0].supernet.stream_sets))
    truth = labels[np.concatenate([fold.judging.numpy() for fold in folds])]
    losses = [
        logloss(truth, np.concatenate([inherited(fold, rows, layout, number) for fold in folds]))
        for number in sets
    ]
    return sorted(sets, key=losses.__getitem__)
