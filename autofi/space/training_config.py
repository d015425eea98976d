"""The training settings that belong to an architecture."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from autofi.core.validated import Count, CountOrNone, NonNegative, Positive
from autofi.core.versioned_fields import added_setting


@dataclass(frozen=True)
class TrainingSettings:
    """The settings of a training.

    Attributes:
        embedding_l2: Lambda of lambda/2 * sum of squares over the whole tables, added to a batch's mean logloss.
        factor_l2: The same for tables whose vectors are multiplied with each other: a product of two small vectors has
            hardly any gradient, and with as much L2 as embeddings it never starts to learn.
        weight_decay: The same for every other weight matrix.
        gradient_norm: Maximum norm of a step's gradient over all parameters; a longer one is scaled down. 0 is no
            limit.
        decay: Factor of the learning rate after an evaluation that is not better than the best.
        patience: Evaluations in a row without a better one that end the training.
        evaluations: Evaluations per epoch.
        gate_penalty: The cost of an open gate, in nats of the logloss summed over the training rows
            (`training.gate_pruning`); this and the other gate settings matter for gated operators only.
        gate_epochs: Epochs in which gates learn.
        gate_learning_rate: The largest step of a gate per epoch.
        gate_temperature: The temperature of the gates in the last of these epochs.
        gate_rewind: The epoch whose weights the main training starts from.
        loss: The loss of a stream with several branches (`training.losses`); "bce" for all others.
    """

    learning_rate: Positive = 1e-3
    embedding_l2: NonNegative = 1e-5
    factor_l2: NonNegative = 1e-5
    weight_decay: NonNegative = 0.0
    batch_size: Count = 4096
    epochs: Count = 30
    patience: Count = 2
    decay: Annotated[float, Field(gt=0, le=1)] = 0.1
    monitor: Literal["auc", "logloss"] = "auc"
    evaluations: Count = 1
    loss: LossName = "bce"
    gate_penalty: NonNegative = 0.3
    gate_epochs: Count = 8
    gate_learning_rate: Positive = 0.15
    gate_temperature: Positive = 1000.0
    gate_rewind: CountOrNone = 0
    gradient_norm: NonNegative = added_setting(0.0)


def without_gates(settings: TrainingSettings) -> TrainingSettings:
    """Return the settings with the defaults of all gate settings, for architectures without gates."""
    defaults: dict[str, Any] = {
        field.name: field.default for field in dataclasses.fields(settings) if field.name.startswith("gate_")
    }
    return dataclasses.replace(settings, **defaults)


LossName = Literal["bce", "tri_bce", "tri_bce_attached", "distillation"]
