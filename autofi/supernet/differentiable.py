"""Searching by gradient: one weight per option of every slot, learned beside the weights of the supernet."""

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

#: Temperature of the Gumbel-softmax at the first and at the last step: from near even mixtures to near single
#: options. It falls by the same factor at every step.
HOT, COLD = 2.0, 0.2
#: The plain softmax cools down to this, as published.
JOINT_COLD = 0.01


@dataclass(frozen=True)
class ChoiceWeights:
    """What a gradient search learned; `alpha` is float [slots, most options], -inf where a slot has fewer."""

    alpha: Tensor

    @property
    def options(self) -> tuple[int, ...]:
        """The option of the largest weight in every slot; equal weights go to the cheaper one."""
        return tuple(self.alpha.argmax(1).tolist())

    @property
    def shares(self) -> Tensor:
        """Softmax of the weights, `[slots, most options]`."""
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

    weight_index           rows that train the network
    choice_index           rows that train alpha; disjoint from `weight_index`
    choice_learning_rate   Adam's rate for alpha; 3e-2 for "gumbel", the published 1e-3 for "joint"
    tau                    what a training step of "joint" takes off its temperature
    on_epoch(epoch)        is called after every epoch, from 1

    "gumbel" follows the paper (Gumbel-softmax, arXiv 1611.01144, in OptInter, arXiv 2105.10484). Every step
    mixes the options of a slot by `softmax((alpha + g) / t)`, g fresh Gumbel noise, t falling from `HOT` to
    `COLD`. A step of the network on a batch of `weight_index`, alpha fixed, alternates with a step of alpha
    on one of `choice_index`, the network fixed. Alpha begins even.

    "joint" follows the public code of OptInter, which has no Gumbel noise: the mixture is `softmax(alpha /
    t)`, `t = max(0.01, 1 - tau * step)`, and alpha, begun from Xavier-normal noise, steps together with the
    network on every batch of `weight_index`; `choice_index` is not read. Departures from that code, each of
    which kept it from doing what it says:

    - it counts a step at every forward pass, evaluation too, so that the size of the test set cools the
      search; here only training steps count;
    - it keeps the alpha of the epoch with the best AUC on the test set, and stops by that; here the last
      alpha of a given number of epochs is kept, and no other row is read;
    - its alpha is a plain tensor, absent from a checkpoint of the model; here it is the result, and the
      supernet holds none of it;
    - it skips the last, partial batch; here batches are even and no row is left out;
    - the gains and biases of its normalisation are in no optimizer; here every parameter is trained.

    What stays as published: with one batch for both, a cross that memorizes the training rows looks better
    than it is, and near t = 0.01 only the leading option still receives a gradient.
    """
    if method == "gumbel" and (choice_index is None or not len(choice_index)):
        raise ValueError('"gumbel" learns the choices on rows of their own: give it a choice_index.')
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
    """The temperature of a step, from 0: `HOT` at the first, `COLD` at the last, geometric between."""
    return float(HOT * (COLD / HOT) ** (step / max(steps - 1, 1)))


def gumbel_softmax(alpha: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
    """`softmax((alpha + g) / temperature)` over the options of every slot, g drawn on the CPU."""
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
