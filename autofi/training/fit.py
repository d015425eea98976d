"""The training loop: epochs over a permuted index, decay on a bad one, early stopping, best weights kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from autofi.model.network import Network
from autofi.training.metrics import auc, logloss
from autofi.training.optimizers import TableTrainer, make_optimizers
from autofi.training.precision import fast_products
from autofi.training.randomness import own_randomness
from autofi.training.settings import TrainingSettings

#: Rows scored at once when no gradient is needed.
SCORING_ROWS = 16_384
#: Evaluations by which a candidate's pace is judged, and for how many more it is given credit.
PACE_BEHIND = 3
PACE_AHEAD = 10


@dataclass(frozen=True)
class Rows:
    """Selected features of some rows beside their labels (and weights), on one device."""

    selected: Mapping[str, Tensor]
    labels: Tensor
    weights: Tensor | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, index: Tensor | slice) -> Rows:
        """The rows of an index or a slice."""

        def pick(tensor: Tensor) -> Tensor:
            return tensor[index] if isinstance(index, slice) else tensor.index_select(0, index)

        return Rows(
            {name: pick(tensor) for name, tensor in self.selected.items()},
            pick(self.labels),
            None if self.weights is None else pick(self.weights),
        )

    def to(self, device: torch.device) -> Rows:
        """The same rows on another device."""
        return Rows(
            {name: tensor.to(device) for name, tensor in self.selected.items()},
            self.labels.to(device),
            None if self.weights is None else self.weights.to(device),
        )


@dataclass(frozen=True)
class FitReport:
    """What training came to: figures of the best evaluation on validation rows, and how long it took."""

    auc: float
    logloss: float
    best_evaluation: int
    evaluations: int
    steps: int
    seconds: float
    history: tuple[tuple[float, float], ...]
    decayed: tuple[int, ...] = ()


@own_randomness
def fit(
    network: Network,
    train: Rows,
    valid: Rows | None,
    settings: TrainingSettings,
    *,
    generator: torch.Generator,
    repeat: FitReport | None = None,
    on_evaluation: Callable[[int, float, float, float], None] | None = None,
    to_beat: float | None = None,
) -> FitReport:
    """Train `network` in place and leave it with the weights of its best evaluation.

    With `repeat` validation is not read: the training runs as long as that report's did until its best
    evaluation and decays its rate where that did, which is the refit on more rows.
    `on_evaluation(number, auc, logloss, rows per second)` is called after each evaluation. With `to_beat`, an AUC,
    a training that cannot reach it at its present pace ends early.
    """
    begun = time.monotonic()
    optimizers = make_optimizers(
        network,
        settings.learning_rate,
        settings.embedding_l2,
        settings.weight_decay,
        factor_l2=settings.factor_l2,
    )
    best: dict[str, Tensor] = {}
    best_value, best_at, bad = -np.inf, 0, 0
    history: list[tuple[float, float]] = []
    steps = 0
    planned = repeat.best_evaluation if repeat is not None else settings.epochs * settings.evaluations
    decayed: list[int] = []
    for number, index in enumerate(_periods(len(train), settings, planned, generator), start=1):
        started = time.monotonic()
        steps += train_rows(network, train, index.to(train.labels.device), settings.batch_size, optimizers)
        speed = len(index) / max(time.monotonic() - started, 1e-9)
        for optimizer in optimizers:
            optimizer.settle()
        if valid is None or repeat is not None:
            if repeat is not None and number in repeat.decayed:
                _decay(optimizers, settings)
            continue
        scores = predict(network, valid)
        labels = valid.labels.cpu().numpy()
        weights = None if valid.weights is None else valid.weights.cpu().numpy()
        history.append((auc(labels, scores, weights), logloss(labels, scores, weights)))
        if on_evaluation is not None:
            on_evaluation(number, *history[-1], speed)
        value = history[-1][0] if settings.monitor == "auc" else -history[-1][1]
        if value > best_value + 1e-6:
            best_value, best_at, bad = value, number, 0
            best = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
        else:
            bad += 1
            decayed.append(number)
            _decay(optimizers, settings)
        if bad >= settings.patience or (to_beat is not None and _hopeless(history, to_beat)):
            break
    for optimizer in optimizers:
        optimizer.release()
    if best:
        network.load_state_dict(best)
    figures = history[best_at - 1] if history else (float("nan"), float("nan"))
    seconds = time.monotonic() - begun
    return FitReport(
        *figures, best_at or planned, len(history) or planned, steps, seconds, tuple(history), tuple(decayed)
    )


def _decay(optimizers: Sequence[TableTrainer], settings: TrainingSettings) -> None:
    for optimizer in optimizers:
        optimizer.scale_learning_rate(settings.decay)


def _hopeless(history: Sequence[tuple[float, float]], to_beat: float) -> bool:
    """Whether PACE_AHEAD more evaluations as good as the last PACE_BEHIND would still not reach `to_beat`."""
    if len(history) <= PACE_BEHIND:
        return False
    gained = history[-1][0] - history[-1 - PACE_BEHIND][0]
    return history[-1][0] + max(gained, 0.0) / PACE_BEHIND * PACE_AHEAD < to_beat


def batches(index: Tensor, batch_size: int) -> Sequence[Tensor]:
    """The index cut into the fewest batches of at most `batch_size` rows, all equally long within one row.

    A short last batch would weigh its rows more than the others', and one of a single row has no variance for
    batch normalisation.
    """
    return index.tensor_split(-(-len(index) // batch_size)) if len(index) else ()


def train_rows(
    network: Network, rows: Rows, index: Tensor, batch_size: int, optimizers: Sequence[TableTrainer]
) -> int:
    """One pass over `rows[index]` in batches; returns the steps taken."""
    network.train()
    steps = 0
    for chosen in batches(index, batch_size):
        batch = rows.take(chosen)
        with fast_products(batch.labels.device):
            logits = network(batch.selected)
        loss = mean_loss(logits.float(), batch.labels, batch.weights)
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
        steps += 1
    return steps


def mean_loss(logits: Tensor, labels: Tensor, weights: Tensor | None) -> Tensor:
    """Mean logloss of a batch; of logits `[B, members]` over the members too, each on its own."""
    if logits.dim() > 1:
        labels = labels.unsqueeze(1).expand_as(logits)
        weights = None if weights is None else weights.unsqueeze(1)
    return nn.functional.binary_cross_entropy_with_logits(logits, labels, weights)


@torch.no_grad()
def predict(network: nn.Module, rows: Rows) -> npt.NDArray[np.float64]:
    """Click probabilities, float64 `[N]`."""
    network.eval()
    parts = [
        network(rows.take(slice(start, start + SCORING_ROWS)).selected)
        for start in range(0, len(rows), SCORING_ROWS)
    ]
    return torch.cat(parts).double().sigmoid().cpu().numpy() if parts else np.empty(0)


def _periods(
    rows: int, settings: TrainingSettings, planned: int, generator: torch.Generator
) -> Iterator[Tensor]:
    """Row indices of every evaluation period: each epoch is one permutation, cut evenly."""
    given = 0
    while given < planned:
        order = torch.randperm(rows, generator=generator)
        for index in order.tensor_split(settings.evaluations):
            if given < planned:
                yield index
                given += 1
