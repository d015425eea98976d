"""Supernets trained by random paths, each with held-out rows that judge it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from autofi.data.folds import deal_folds
from autofi.model.network import Layout, Streams
from autofi.operators.base import Sizes
from autofi.supernet.batchnorm_recalibration import recalibrate
from autofi.supernet.context import HEAD, ProposalContext, batch_for, bias_of
from autofi.supernet.greedy_selection import HeldOut
from autofi.supernet.path_training import train_by_paths
from autofi.supernet.slots import SearchSlots
from autofi.supernet.supernet import Supernet
from autofi.training.place_rows import rows_for
from autofi.training.predict import predict
from autofi.training.row_source import RowSource

#: With fewer held-out rows than this, differences are pooled over folds of the training rows.
ENOUGH_ROWS = 15_000
FOLDS = 3
#: The most rows that judge: with more, the standard error is already small enough for any difference of use. With
#: many candidates fewer rows judge, down to ENOUGH_ROWS, so that judging a wide table takes no longer than training.
MOST_ROWS = 60_000
JUDGED = 6_000_000

#: The time to train supernets and judge options by them, in those to train them.
JUDGING = 1.25

Probabilities = npt.NDArray[np.float64]


@dataclass(frozen=True)
class FoldSupernet:
    """A trained supernet, the rows it learned from and the rows that judge it."""

    supernet: Supernet
    training: torch.Tensor
    judging: torch.Tensor


@dataclass(frozen=True)
class PathSupernets:
    """One supernet, or one per fold if few rows are held out, over the same slots and sets of streams."""

    folds: tuple[FoldSupernet, ...]
    rows: RowSource
    labels: npt.NDArray[np.float32]

    def held_out(self) -> list[HeldOut]:
        """Return the held-out rows of every fold, which judge single options."""
        return [
            HeldOut(fold.supernet, self.rows.take(fold.judging).to(fold.supernet.device))
            for fold in self.folds
        ]

    @property
    def truth(self) -> npt.NDArray[np.float32]:
        """The labels of all judging rows, in the order of `inherited`."""
        judging = np.concatenate([fold.judging.numpy() for fold in self.folds])
        truth: npt.NDArray[np.float32] = self.labels[judging]
        return truth

    def inherited(self, layout: Layout, streams: int | None = None) -> Probabilities:
        """Return the click probabilities of one architecture by inherited weights, for all judging rows."""
        return np.concatenate([_inherited(fold, self.rows, layout, streams) for fold in self.folds])


def train_path_supernets(
    run: ProposalContext, offer: SearchSlots, streams: Sequence[Streams]
) -> PathSupernets:
    """Train supernets as the space's `search` says, one per fold if validation rows are few.

    Raises:
        OutOfTime: They do not fit in the time of the proposal.
    """
    settings, labels = run.space.search, run.dataset.labels
    slots, shapes = offer.slots, offer.shapes
    folds = _folds(run, sum(len(slot.options) for slot in slots))
    run.progress.phase("train supernet by paths", total=settings.epochs * len(folds))
    bias = bias_of(shapes)
    judged = []
    rows: RowSource | None = None
    on_epoch = run.on_epoch(settings.epochs * len(folds), JUDGING)
    for number, (training, judging) in enumerate(folds):
        supernet = run.fresh(
            lambda: Supernet(slots, shapes, Sizes(), HEAD, streams=streams, bias=bias), number
        )
        if rows is None:
            rows = rows_for(supernet, offer.features, labels)
        index = torch.from_numpy(training)
        train_by_paths(
            supernet,
            rows,
            index=index,
            epochs=settings.epochs,
            learning_rate=settings.learning_rate,
            embedding_l2=settings.embedding_l2,
            batch_size=min(settings.batch_size, batch_for(len(index))),
            generator=run.draws(number),
            sampling=settings.sampling,
            on_epoch=on_epoch,
        )
        judged.append(FoldSupernet(supernet, index, torch.from_numpy(judging)))
    assert rows is not None
    return PathSupernets(tuple(judged), rows, labels)


def _folds(
    run: ProposalContext, candidates: int
) -> list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Return pairs of training rows and judging rows, which are disjoint.

    The judging rows are the validation rows if there are many of them, else also folds of the training rows.
    """
    train, valid = run.dataset.parts["train"], run.dataset.parts["valid"]
    judges = np.arange(valid.start, valid.stop)
    most = min(MOST_ROWS, max(ENOUGH_ROWS, JUDGED // max(candidates, 1)))
    if len(judges) >= ENOUGH_ROWS:
        return [(np.arange(train.stop), run.generator.permutation(judges)[:most])]
    fold = deal_folds(train.stop, FOLDS, run.generator, run.dataset.together())
    unseen = [np.concatenate([np.flatnonzero(fold == k), judges[k::FOLDS]]) for k in range(FOLDS)]
    return [
        (np.flatnonzero(fold != k), run.generator.permutation(unseen[k])[: most // FOLDS])
        for k in range(FOLDS)
    ]


def _inherited(fold: FoldSupernet, rows: RowSource, layout: Layout, streams: int | None) -> Probabilities:
    supernet = fold.supernet
    supernet.activate(layout)
    supernet.choose_streams(streams)
    recalibrate(supernet, rows, fold.training)
    found = predict(supernet, rows, fold.judging)
    supernet.choose_streams(None)
    supernet.reset()
    return found
