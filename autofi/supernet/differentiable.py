"""Architecture search by gradient: one weight per option of every slot, learned with the supernet's weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from autofi.core.malloc import kept_memory
from autofi.supernet.supernet import Slot, Supernet
from autofi.training.optimizers import DenseAdam, make_optimizers
from autofi.training.prefetch import on_device
from autofi.training.row_source import Rows, RowSource, endless, steps_in
from autofi.training.seeding import own_randomness
from autofi.training.step import batch_loss, step_of_choices, train_step

Method = Literal["gumbel", "joint"]

#: Temperature of the Gumbel-softmax at the first and the last step: mixtures go from nearly even to nearly
#: one-hot. It falls by the same factor at every step.
HOT, COLD = 2.0, 0.2
#: The lowest temperature of the plain softmax, as published.
JOINT_COLD = 0.01


@dataclass(frozen=True)
class ChoiceWeights:
    """The weights that a gradient search learned.

    Attributes:
        alpha: Float `[slots, most options]`; -inf where a slot has fewer options.
    """

    alpha: Tensor

    @property
    def options(self) -> tuple[int, ...]:
        """The option with the largest weight in every slot; ties go to the cheaper option."""
        return tuple(self.alpha.argmax(1).tolist())

    @property
    def shares(self) -> Tensor:
        """The softmax of the weights, `[slots, most options]`."""
        return self.alpha.softmax(1)


@kept_memory()
@own_randomness
def train_by_gradient(
    supernet: Supernet,
    rows: RowSource,
    *,
    weight_index: Tensor,
    choice_index: Tensor | None = None,
    epochs: int,
    learning_rate: float,
    embedding_l2: float,
    batch_size: int,
    generator: torch.Generator,
    method: Method = "gumbel",
    choice_learning_rate: float | None = None,
    tau: float = 5e-5,
    on_epoch: Callable[[int], None] | None = None,
) -> ChoiceWeights:
    """Train `supernet` and a weight alpha per option of every slot, both by gradient.

    "gumbel" follows the paper (Gumbel-softmax, arXiv 1611.01144, in OptInter, arXiv 2105.10484). Every step mixes the
    options of a slot by `softmax((alpha + g) / t)` with fresh Gumbel noise g; t falls from `HOT` to `COLD`. A step of
    the network on a batch of `weight_index`, with alpha fixed, alternates with a step of alpha on a batch of
    `choice_index`, with the network fixed. Alpha starts even.

    "joint" follows the public code of OptInter, which has no Gumbel noise: the mixture is `softmax(alpha / t)` with `t
    = max(0.01, 1 - tau * step)`. Alpha starts from Xavier-normal noise and is updated together with the network on
    every batch of `weight_index`; `choice_index` is not read. The departures from that code each fix something that
    kept it from doing what it says:

    - It counts a step at every forward pass, evaluation included, so that the size of the test set cools the search;
      here only training steps count.
    - It keeps the alpha of the epoch with the best AUC on the test set, and stops by that AUC; here the last alpha of a
      given number of epochs is kept, and no other row is read.
    - Its alpha is a plain tensor that no checkpoint of the model has; here alpha is the result, and the supernet holds
      none of it.
    - It skips the last, partial batch; here batches are even and no row is left out.
    - The gains and biases of its normalization are in no optimizer; here every parameter is trained.

    Two weaknesses stay as published: with one batch for both, a cross that memorizes the training rows looks better
    than it is, and near t = 0.01 only the leading option still receives a gradient.

    Args:
        weight_index: Rows that train the network.
        choice_index: Rows that train alpha; disjoint from `weight_index`.
        choice_learning_rate: Adam's rate for alpha; 3e-2 for "gumbel", the published 1e-3 for "joint".
        tau: The decrease of the temperature per training step of "joint".
        on_epoch: Called with the number of the epoch, from 1, after every epoch.

    Raises:
        ValueError: "gumbel" has no `choice_index`.
    """
    if method == "gumbel" and (choice_index is None or not len(choice_index)):
        raise ValueError('"gumbel" has no choice_index; pass the rows that train the choices.')
    alpha = _begin(supernet, method, generator).to(supernet.device).requires_grad_()
    default_rate = 3e-2 if method == "gumbel" else 1e-3
    rate = default_rate if choice_learning_rate is None else choice_learning_rate
    chooser = DenseAdam([{"params": [alpha]}], rate)
    optimizers = make_optimizers(supernet, learning_rate, embedding_l2)
    choices = weight_index if choice_index is None else choice_index
    choosing = on_device(endless(rows, choices, batch_size, generator), supernet.device)
    supernet.train()
    for epoch in range(epochs):
        (period,) = rows.shuffled(generator, index=weight_index)
        steps = steps_in(period, batch_size)
        batches = on_device(rows.batches(period, batch_size), supernet.device)
        for step, batch in enumerate(batches, start=epoch * steps):
            if method == "joint":
                mixture = (alpha / max(JOINT_COLD, 1.0 - tau * step)).softmax(1)
                train_step(_loss(supernet, batch, mixture), [chooser, *optimizers])
            else:
                temperature = gumbel_temperature(step, epochs * steps)
                with torch.no_grad():
                    mixture = gumbel_softmax(alpha, temperature, generator)
                train_step(_loss(supernet, batch, mixture), optimizers)
                mixture = gumbel_softmax(alpha, temperature, generator)
                step_of_choices(_loss(supernet, next(choosing), mixture), [alpha], chooser)
        if on_epoch is not None:
            on_epoch(epoch + 1)
    for optimizer in optimizers:
        optimizer.release()
    return ChoiceWeights(alpha.detach().cpu())


def gumbel_temperature(step: int, steps: int) -> float:
    """Return the temperature of a step, from 0: `HOT` at the first, `COLD` at the last, geometric between."""
    return float(HOT * (COLD / HOT) ** (step / max(steps - 1, 1)))


def gumbel_softmax(alpha: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
    """Return `softmax((alpha + g) / temperature)` over the options of every slot, with g drawn on the CPU."""
    uniform = torch.rand(alpha.shape, generator=generator).clamp(min=torch.finfo(torch.float32).tiny)
    noise = -(-uniform.log()).clamp(min=torch.finfo(torch.float32).tiny).log()
    return ((alpha + noise.to(alpha.device)) / temperature).softmax(1)


def _begin(supernet: Supernet, method: Method, generator: torch.Generator) -> Tensor:
    most = max(len(slot.options) for slot in supernet.choices)
    alpha = torch.zeros(len(supernet.choices), most)
    if method == "joint":
        alpha.normal_(0.0, math.sqrt(2.0 / (len(alpha) + most)), generator=generator)
    return alpha.masked_fill(~_offered(supernet.choices, most), -torch.inf)


def _offered(slots: Sequence[Slot], most: int) -> Tensor:
    return torch.tensor([[option < len(slot.options) for option in range(most)] for slot in slots])


def _loss(supernet: Supernet, batch: Rows, mixture: Tensor) -> Tensor:
    return batch_loss(supernet, batch, supernet.weighted_mask(mixture))
