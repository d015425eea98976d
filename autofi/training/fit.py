"""The training loop: epochs over shuffled rows, learning-rate decay, early stopping, best weights kept."""

from __future__ import annotations

import importlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit
from torch import Tensor

from autofi.core.malloc import kept_memory
from autofi.metrics.ranking import auc, logloss
from autofi.model.network import Network
from autofi.objectives.objectives import OBJECTIVES
from autofi.space.training_config import TrainingSettings
from autofi.training.best_weights import BestWeights
from autofi.training.compile import compiled_products
from autofi.training.gate_pruning import close_gates
from autofi.training.join_trees import JoinWeights, JudgedRows, adds_to_trees
from autofi.training.optimizers import TableTrainer, optimizers_of
from autofi.training.predict import Probabilities, judged_rows, own_logits, set_join_weights
from autofi.training.row_source import Period, RowSource
from autofi.training.seeding import own_randomness
from autofi.training.step import train_rows

#: The evaluations that a candidate's pace is measured over, and the number that this pace is extrapolated for.
PACE_BEHIND = 3
PACE_AHEAD = 10
#: The evaluations after which a network that adds nothing to boosted trees may be given up, and the share of the most
#: seconds of a training after which that is so even if there was one.
TREES_ALONE_AFTER = 2
TREES_ALONE_SHARE = 1 / 3
#: The gains that a network may still make, in that of its second evaluation: the useful ones go on like that.
FIRST_GAINS = 3.0


@dataclass(frozen=True)
class FitReport:
    """The result of a training: metrics of the best evaluation on validation rows, and the time it took.

    `history` is of the network alone; `auc` and `logloss` include boosted trees if there are any, and are those of
    `valid_predictions`.
    """

    auc: float
    logloss: float
    best_evaluation: int
    evaluations: int
    steps: int
    seconds: float
    history: tuple[tuple[float, float], ...]
    decayed: tuple[int, ...] = ()
    boosted_weights: JoinWeights = JoinWeights()
    #: Probabilities of the validation rows, joined by weights that were fitted without them (`training.join_trees`);
    #: None without boosted trees or validation rows.
    valid_predictions: Probabilities | None = field(default=None, compare=False, repr=False)

    @property
    def boosted_share(self) -> float:
        """The share of the weights of both logits that boosted trees have."""
        return self.boosted_weights.trees / (self.boosted_weights.own + self.boosted_weights.trees)

    @property
    def trees_alone(self) -> bool:
        """True if boosted trees predict alone, and the network is not needed."""
        return self.boosted_weights.trees_alone

    @property
    def own_auc(self) -> float:
        """The AUC of the network alone."""
        return self.history[self.best_evaluation - 1][0] if self.history else float("nan")

    def whole(self, settings: TrainingSettings) -> bool:
        """Return True if the training ended by its own settings, and not because it could not reach `to_beat`."""
        patient = self.evaluations - self.best_evaluation < settings.patience
        return not patient or self.evaluations == settings.epochs * settings.evaluations


@cache
def _import_late() -> None:
    """Import what optimizers and regressions import when they are first made, once in a process.

    It takes seconds, which no other training takes: they would make the first one look slow.
    """
    torch.optim.Adam([torch.zeros(1, requires_grad=True)])
    importlib.import_module("sklearn.linear_model")


@kept_memory()
@own_randomness
@compiled_products
def fit(
    network: Network,
    train: RowSource,
    valid: RowSource | None,
    settings: TrainingSettings,
    *,
    generator: torch.Generator,
    index: Tensor | None = None,
    repeat: FitReport | None = None,
    on_evaluation: Callable[[int, float, float, float], None] | None = None,
    to_beat: float | None = None,
    most_seconds: float = math.inf,
    together: NDArray[np.int64] | None = None,
) -> FitReport:
    """Train `network` in place and leave it with the weights of its best evaluation.

    All of that is about the network alone: boosted trees get their weight at the end. If there are only trees, nothing
    is trained.

    Args:
        index: The rows of `train` to train on; None for all.
        repeat: A report to repeat, for the refit on more rows: validation rows are not read, the training runs as long
            as that one did until its best evaluation, and its learning rate decays where that one's did.
        on_evaluation: Called with number, AUC, logloss and rows per second after each evaluation.
        to_beat: An AUC; a training that cannot reach it at its present pace ends early, and earlier still if the
            network adds nothing to boosted trees.
        most_seconds: A training that takes longer ends after its evaluation, unless it is ahead of `to_beat`.
        together: A number per validation row: those with the same number are in one fold where weights of boosted trees
            are fitted.
    """
    _import_late()
    begun = time.monotonic()
    close_gates(network, train, settings, generator, index=index)
    optimizers = optimizers_of(network, settings)
    best = BestWeights()
    best_loss, best_at, bad = np.inf, 0, 0
    history: list[tuple[float, float]] = []
    steps = 0
    planned = repeat.best_evaluation if repeat is not None else settings.epochs * settings.evaluations
    planned = planned if network.operators else 0
    judged = None
    if network.boosted_weights is not None and valid is not None and repeat is None:
        judged = judged_rows(network, valid, together)
    decayed: list[int] = []
    for number, period in enumerate(_periods(train, index, settings, planned, generator), start=1):
        started = time.monotonic()
        steps += train_rows(network, train.batches(period, settings.batch_size), optimizers, settings)
        speed = sum(map(len, period)) / max(time.monotonic() - started, 1e-9)
        for optimizer in optimizers:
            optimizer.catch_up_all()
        if valid is None or repeat is not None:
            if repeat is not None and number in repeat.decayed:
                _decay(optimizers, settings)
            continue
        own = own_logits(network, valid)
        history.append(_figures(expit(own), valid))
        if on_evaluation is not None:
            on_evaluation(number, *history[-1], speed)
        figures = dict(zip(("auc", "logloss"), history[-1], strict=True))
        loss = OBJECTIVES[settings.monitor].loss(figures[settings.monitor])
        if loss < best_loss - 1e-6:
            best_loss, best_at, bad = loss, number, 0
            best.keep(network)
        else:
            bad += 1
            decayed.append(number)
            _decay(optimizers, settings)
        used = (time.monotonic() - begun) / most_seconds
        if bad >= settings.patience or _behind(history, decayed, own, judged, to_beat, used):
            break
    for optimizer in optimizers:
        optimizer.release()
    best.restore(network)
    weights = network.boosted_weights
    if weights is not None and repeat is not None:
        weights.copy_(torch.tensor(repeat.boosted_weights))
    reached = history[best_at - 1] if history else (float("nan"), float("nan"))
    predictions = None
    if valid is not None and judged is not None:
        predictions = set_join_weights(network, valid, judged).predictions
        reached = _figures(predictions, valid)
    seconds = time.monotonic() - begun
    return FitReport(
        *reached,
        best_evaluation=best_at or planned,
        evaluations=len(history) or planned,
        steps=steps,
        seconds=seconds,
        history=tuple(history),
        decayed=tuple(decayed),
        boosted_weights=JoinWeights() if weights is None else JoinWeights(*weights.tolist()),
        valid_predictions=predictions,
    )


def _figures(scores: Probabilities, rows: RowSource) -> tuple[float, float]:
    """Return AUC and logloss."""
    labels = rows.labels.cpu().numpy()
    weights = None if rows.weights is None else rows.weights.cpu().numpy()
    return auc(labels, scores, weights), logloss(labels, scores, weights)


def _decay(optimizers: Sequence[TableTrainer], settings: TrainingSettings) -> None:
    for optimizer in optimizers:
        optimizer.scale_learning_rate(settings.decay)


def _behind(
    history: Sequence[tuple[float, float]],
    decayed: Sequence[int],
    own: Probabilities,
    judged: JudgedRows | None,
    to_beat: float | None,
    used: float,
) -> bool:
    """Return True if a training that is not ahead of `to_beat` will hardly be, or has `used` its seconds up."""
    if to_beat is not None and max(reached for reached, _ in history) > to_beat:
        return False
    if to_beat is None or used >= 1:
        return used >= 1
    return _hopeless(history, decayed, to_beat) or _superfluous(history, own, judged, to_beat, used)


def _hopeless(history: Sequence[tuple[float, float]], decayed: Sequence[int], to_beat: float) -> bool:
    """Return True if PACE_AHEAD more evaluations at the pace of the last PACE_BEHIND would not reach `to_beat`.

    It is never True before the learning rate has decayed: a strongly regularized model gains most after that.
    """
    if not decayed or len(history) < decayed[0] + PACE_BEHIND:
        return False
    gained = history[-1][0] - history[-1 - PACE_BEHIND][0]
    return history[-1][0] + max(gained, 0.0) / PACE_BEHIND * PACE_AHEAD < to_beat


def _superfluous(
    history: Sequence[tuple[float, float]],
    own: Probabilities,
    judged: JudgedRows | None,
    to_beat: float,
    used: float,
) -> bool:
    """Return True if the network adds nothing to boosted trees and is far from `to_beat`.

    It is far if gaining once more what it has gained in its last two evaluations would not be enough, or after two of
    them FIRST_GAINS times what the second gained. Such a network ends with no share or with hardly any, and need not
    wait for the learning rate to decay as in `_hopeless`. Where evaluations are slow, one of them has to do.
    """
    if judged is None or (len(history) < TREES_ALONE_AFTER and used < TREES_ALONE_SHARE):
        return False
    gained = max(history[-1][0] - history[-min(len(history), 3)][0], 0.0)
    gained *= FIRST_GAINS if len(history) == 2 else 1.0
    return history[-1][0] + gained < to_beat and not adds_to_trees(own, judged)


def _periods(
    rows: RowSource,
    index: Tensor | None,
    settings: TrainingSettings,
    planned: int,
    generator: torch.Generator,
) -> Iterator[Period]:
    """Yield the rows to train on before every evaluation, epoch after epoch."""
    given = 0
    while given < planned:
        for period in rows.shuffled(generator, index=index, periods=settings.evaluations):
            if given < planned:
                yield period
                given += 1
