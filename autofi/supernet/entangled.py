"""Sizes learned by gradient: every choice of a width is a slice of one largest weight, mixed by weight (TangleNAS)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from autofi.model.network import Network
from autofi.operators.base import Operator
from autofi.training.copies import on_device
from autofi.training.losses import mean_loss
from autofi.training.optimizers import DenseAdam, make_optimizers
from autofi.training.precision import fast_products
from autofi.training.randomness import own_randomness
from autofi.training.rows import Rows, RowSource, endless

#: Adam's rate for the weights of the choices.
CHOICE_RATE = 1e-2


@dataclass(frozen=True)
class WidthChoices:
    """What is chosen among: widths of a field's vector, and lists of hidden widths that are equally long."""

    embedding_dim: tuple[int, ...]
    hidden: tuple[tuple[int, ...], ...]

    @property
    def largest(self) -> tuple[int, tuple[int, ...]]:
        """The widths that hold every choice as a slice."""
        return max(self.embedding_dim), tuple(max(widths) for widths in zip(*self.hidden, strict=True))


class Entangled(nn.Module):
    """A network of the largest widths in which a choice uses the first columns of every weight.

    Mixing weights, `W = Σ_i a_i pad(w[:s_i])`, scales every column by the sum of the shares of the choices that have
    it: one forward pass and one set of weights, whatever the number of choices (https://arxiv.org/abs/2312.10440). What
    a map gives and what the next one reads are slices both, so that a column is scaled twice. Normalisation comes
    before: a column's mean and deviation are its own, whichever choices have it.

    `columns` says which columns of the read-out are part of a field's vector, and which place there each has: -1 for
    the others, which every choice has. Streams are left out.
    """

    place: Tensor
    dims: Tensor

    def __init__(self, network: Network, choices: WidthChoices) -> None:
        super().__init__()
        self.network, self.choices = network, choices
        self.alpha_dim = nn.Parameter(torch.zeros(len(choices.embedding_dim)))
        self.alpha_hidden = nn.Parameter(torch.zeros(len(choices.hidden)))
        dim, hidden = choices.largest
        place: list[int] = []
        for operator in network.operators.values():
            assert isinstance(operator, Operator)
            for width in operator.widths():
                place += range(width) if operator.vector else [-1] * width
        self.register_buffer("place", torch.tensor(place), persistent=False)
        self.register_buffer("dims", _owned(choices.embedding_dim, dim), persistent=False)
        for layer, width in enumerate(hidden):
            widths = [choice[layer] for choice in choices.hidden]
            self.register_buffer(f"hidden_{layer}", _owned(widths, width), persistent=False)

    def alphas(self) -> list[nn.Parameter]:
        """The weights of the choices."""
        return [self.alpha_dim, self.alpha_hidden]

    def forward(self, selected: Mapping[str, Tensor]) -> Tensor:
        """The logit `[B]`."""
        readout = self.network.readout
        factors = self.alpha_dim.softmax(0) @ self.dims
        scales = torch.cat([factors, factors.new_ones(1)])[self.place]
        columns = self.network.columns(selected) * scales.square()
        assert readout.first is not None
        shares, layer = self.alpha_hidden.softmax(0), 0
        found = readout.first(columns)
        for step in readout.layers:
            found = step(found)
            if isinstance(step, nn.ReLU):
                found = found * (shares @ self.get_buffer(f"hidden_{layer}")).square()
                layer += 1
        logits: Tensor = found.squeeze(-1) + readout.bias
        return logits

    def chosen(self) -> dict[str, Any]:
        """The choice with the largest weight, by the key of a space."""
        return {
            "sizes.embedding_dim": self.choices.embedding_dim[int(self.alpha_dim.argmax())],
            "readout.hidden": self.choices.hidden[int(self.alpha_hidden.argmax())],
        }


@own_randomness
def learn_widths(
    entangled: Entangled,
    rows: RowSource,
    *,
    weight_index: Tensor,
    choice_index: Tensor,
    epochs: int,
    learning_rate: float,
    embedding_l2: float,
    batch_size: int,
    generator: torch.Generator,
    on_epoch: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """Train the weights on rows of `weight_index` and, in turn, the choices on rows of `choice_index`; what won.

    Rows that the weights have learned from would always ask for more of them.
    """
    network = entangled.network
    chooser = DenseAdam([{"params": entangled.alphas()}], CHOICE_RATE)
    optimizers = make_optimizers(network, learning_rate, embedding_l2)
    choosing = on_device(endless(rows, choice_index, batch_size, generator), network.device)
    entangled.train()
    for epoch in range(epochs):
        for period in rows.shuffled(generator, index=weight_index):
            for batch in on_device(rows.batches(period, batch_size), network.device):
                for optimizer in optimizers:
                    optimizer.zero_grad()
                _loss(entangled, batch).backward()
                for optimizer in optimizers:
                    optimizer.step()
                gradients = torch.autograd.grad(_loss(entangled, next(choosing)), entangled.alphas())
                for alpha, gradient in zip(entangled.alphas(), gradients, strict=True):
                    alpha.grad = gradient
                chooser.step()
        if on_epoch is not None:
            on_epoch(epoch + 1)
    for optimizer in optimizers:
        optimizer.release()
    return entangled.chosen()


def width_choices(parameters: Mapping[str, Sequence[Any]], *, dim: int) -> WidthChoices | None:
    """What of a space's choices can be entangled, by key; None where there is nothing to choose.

    Lists of hidden widths of another length than the first one's are left to the trials, as is everything else. `dim`
    is the width of vectors where the space leaves no choice.
    """
    dims = tuple(sorted({int(value) for value in parameters.get("sizes.embedding_dim", [dim])}))
    lists = [tuple(value) for value in parameters.get("readout.hidden", [])]
    hidden = tuple(sorted({widths for widths in lists if len(widths) == len(lists[0])}))
    if not hidden or (len(dims) < 2 and len(hidden) < 2):
        return None
    return WidthChoices(dims, hidden)


def _owned(widths: Sequence[int], largest: int) -> Tensor:
    """Which columns each choice has, float32 `[choices, largest]`."""
    return (torch.arange(largest) < torch.tensor(widths).unsqueeze(1)).float()


def _loss(entangled: Entangled, batch: Rows) -> Tensor:
    with fast_products(batch.labels.device):
        logits = entangled(batch.selected)
    return mean_loss(logits.float(), batch.labels, batch.weights)
