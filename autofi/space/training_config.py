"""How a network is trained: the hyper-parameters that belong to an architecture."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from autofi.core.validated import Count, CountOrNone, NonNegative, Positive
from autofi.core.versioned_fields import later


@dataclass(frozen=True)
class TrainingSettings:
    """What the training loop is given.

    embedding_l2   lambda of lambda/2 * sum of squares over the whole tables, added to a batch's mean logloss
    factor_l2      the same for tables whose vectors are multiplied with each other: a product of two small vectors
                   has hardly a gradient, and shrunk as hard as embeddings it never starts
    weight_decay   the same for every other weight matrix
    gradient_norm  a step's gradient, all parameters together, is shortened to this length where it is longer; 0 for
                   any length
    decay          the learning rate is multiplied by it after an evaluation that is no better than the best
    patience       evaluations in a row without a better one that end the training
    evaluations    evaluations per epoch
    gate_penalty   what an open gate costs, in nats of the logloss summed over the training rows (`training.gates`);
                   gate_epochs, gate_learning_rate, gate_temperature (in the last epoch) and gate_rewind (the epoch
                   whose weights the training proper starts from) say how gates learn; only gated operators have any
    loss           what a stream of several branches is trained by (`training.losses`); "bce" for all others
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
    gradient_norm: NonNegative = later(0.0)


def without_gates(settings: TrainingSettings) -> TrainingSettings:
    """The same with how gates learn at the defaults, for architectures that have none."""
    defaults: dict[str, Any] = {
        field.name: field.default for field in dataclasses.fields(settings) if field.name.startswith("gate_")
    }
    return dataclasses.replace(settings, **defaults)


LossName = Literal["bce", "tri_bce", "tri_bce_attached", "distillation"]
