"""Pruning by learned gates (OptFS): continuation, evidence against a penalty, and rewinding.

It departs from the paper, where gates and weights learn by gradient from the same rows: here gates move by measured
savings.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from autofi.model.network import Network
from autofi.operators._gated_table import GatedTable
from autofi.space.training_config import TrainingSettings
from autofi.training.best_weights import BestWeights
from autofi.training.optimizers import optimizers_of
from autofi.training.prefetch import on_device
from autofi.training.row_source import RowSource
from autofi.training.step import train_rows

#: The share of training rows that judge gates while the weights learn from the others.
JUDGED_SHARE = 1 / 4
#: The weight, in rows, of a field's mean saving in a value's: a value that few rows judge is close to the mean.
PRIOR_ROWS = 20.0
#: Rows that are judged at once.
JUDGED_ROWS = 4096


def close_gates(
    network: Network,
    train: RowSource,
    settings: TrainingSettings,
    generator: torch.Generator,
    *,
    index: Tensor | None = None,
) -> None:
    """Train a gated network, close the gates whose weight is not above zero, and rewind the remaining weights.

    It trains for `gate_epochs` with a temperature that rises from 1 to `gate_temperature`; the remaining weights return
    to those at the start of epoch `gate_rewind`.

    The weights learn from three quarters of the rows; the others judge the gates once per epoch: on rows that a value's
    vector has learned from, a value of two rows seems to save as much as it can. A network without gates is not
    changed.
    """
    operators = gated_tables(network)
    if not operators:
        return
    rows = torch.arange(len(train)) if index is None else index
    order = rows[torch.randperm(len(rows), generator=generator)]
    judged, learned_from = order.tensor_split([int(len(order) * JUDGED_SHARE)])
    optimizers = optimizers_of(network, settings)
    counts = {name: _reads(operator, name, train, rows) for name, operator in operators.items()}
    of_judged = {name: _reads(operator, name, train, judged) for name, operator in operators.items()}
    begun = BestWeights()
    for epoch in range(settings.gate_epochs):
        if epoch == settings.gate_rewind:
            for optimizer in optimizers:
                optimizer.catch_up_all()
            begun.keep(network)
        for operator in operators.values():
            operator.temperature = settings.gate_temperature ** (epoch / max(settings.gate_epochs - 1, 1))
        for period in train.shuffled(generator, index=learned_from):
            train_rows(network, train.batches(period, settings.batch_size), optimizers, settings)
        for optimizer in optimizers:
            optimizer.catch_up_all()
        saved = _savings(network, operators, train, judged)
        for name, operator in operators.items():
            pooled = _pooled(operator, saved[name], of_judged[name]) * counts[name]
            _move(operator, operator.by_gate(pooled), settings)
    for optimizer in optimizers:
        optimizer.release()
    opened = {name: operator.opened() for name, operator in operators.items()}
    begun.restore(network)
    for name, operator in operators.items():
        operator.close(opened[name])


def gated_tables(network: Network) -> dict[str, GatedTable]:
    """Return the operators whose gates still learn, by name."""
    return {
        name: operator
        for name, operator in network.operators.items()
        if isinstance(operator, GatedTable) and operator.gates is not None
    }


@torch.no_grad()
def _move(operator: GatedTable, saved: Tensor, settings: TrainingSettings) -> None:
    """Move the weights by a gate's saving in units of the penalty, less one, and at most by `gate_learning_rate`.

    A gate that saves nothing takes equally many epochs to close for frequent and for rare values.
    """
    assert operator.gates is not None
    gain = (saved - settings.gate_penalty) / max(settings.gate_penalty, 1e-6)
    operator.gates.add_(settings.gate_learning_rate * gain.clamp(-1, 1).unsqueeze(1))


def _pooled(operator: GatedTable, saved: Tensor, judged: Tensor) -> Tensor:
    """Return each table row's saving per data row, shrunk to the mean of its field (empirical Bayes)."""
    found = []
    sizes = list(operator.slot_rows)
    for part, rows in zip(saved.split(sizes), judged.split(sizes), strict=True):
        mean = part.sum() / rows.sum().clamp(min=1)
        found.append((part + PRIOR_ROWS * mean) / (rows + PRIOR_ROWS))
    return torch.cat(found)


def _reads(operator: GatedTable, name: str, train: RowSource, index: Tensor) -> Tensor:
    """Return how many of the rows of `index` read each row of the table, float32."""
    size = sum(operator.slot_rows)
    counts = torch.zeros(size, device=operator.table.device)
    for piece in train.pieces(JUDGED_ROWS, index):
        read = piece.selected[name].to(counts.device) + operator.offsets
        counts += torch.bincount(read.flatten(), minlength=size)
    return counts


def _savings(
    network: Network, operators: Mapping[str, GatedTable], train: RowSource, index: Tensor
) -> dict[str, Tensor]:
    """Return, by operator and table row, the extra logloss of the rows of `index` without its vector, in nats.

    A vector's contribution to the logit is computed from the slope of the logit along it: exact if the logit is linear
    in the vector, and one backward pass for the gates of all values of all rows.
    """
    network.eval()
    saved = {
        name: torch.zeros(sum(operator.slot_rows), device=operator.table.device)
        for name, operator in operators.items()
    }
    for batch in on_device(train.pieces(JUDGED_ROWS, index), network.device):
        probes = {}
        for name, operator in operators.items():
            ones = torch.ones(len(batch), len(operator.slots), 1, device=operator.table.device)
            probes[name] = operator.probe = ones.requires_grad_()
        logits = network(batch.selected)
        shares = torch.autograd.grad(logits.sum(), list(probes.values()))
        before = _logloss(logits.detach(), batch.labels)
        for (name, operator), share in zip(operators.items(), shares, strict=True):
            operator.probe = None
            without = _logloss((logits.detach().unsqueeze(1) - share.squeeze(2)), batch.labels.unsqueeze(1))
            more = without - before.unsqueeze(1)
            if batch.weights is not None:
                more = more * batch.weights.unsqueeze(1)
            rows = (batch.selected[name] + operator.offsets).flatten()
            saved[name].index_add_(0, rows, more.flatten())
    return saved


def _logloss(logits: Tensor, labels: Tensor) -> Tensor:
    return nn.functional.softplus(logits) - logits * labels
