"""Sizes learned by gradient: every choice is a slice of one largest weight, mixed by weight (TangleNAS)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from autofi.core.malloc import kept_memory
from autofi.model.network import Network, Streams
from autofi.operators.base import Operator
from autofi.operators.registry import get_stream
from autofi.operators.streams import Mixture, SlicedStream
from autofi.space.architecture import Architecture
from autofi.training.optimizers import DenseAdam, make_optimizers
from autofi.training.prefetch import on_device
from autofi.training.row_source import RowSource, endless
from autofi.training.seeding import own_randomness
from autofi.training.step import batch_loss, step_of_choices, train_step

#: Adam's learning rate for the weights of the choices.
CHOICE_RATE = 1e-2


@dataclass(frozen=True)
class WidthChoices:
    """The sizes to choose from.

    Attributes:
        embedding_dim: Widths of a field's vector.
        hidden: Lists of hidden widths of equal length; one empty list for a head without hidden layers.
        streams: Sets of the same streams that differ in their number of slices; only a `SlicedStream` is built.
    """

    embedding_dim: tuple[int, ...]
    hidden: tuple[tuple[int, ...], ...]
    streams: tuple[Streams, ...] = ({},)

    @property
    def largest(self) -> tuple[int, tuple[int, ...], Streams]:
        """The sizes that hold every choice as a slice."""
        hidden = tuple(max(widths) for widths in zip(*self.hidden, strict=True))
        streams: dict[str, Mapping[str, Any]] = {}
        for name in self.streams[0]:
            kind = get_stream(name)
            if issubclass(kind, SlicedStream):
                streams[name] = max((chosen[name] for chosen in self.streams), key=_counter(kind))
        return max(self.embedding_dim), hidden, streams


class Entangled(nn.Module):
    """A network of the largest sizes in which a choice uses the first columns, or slices, of every weight.

    Mixing weights, `W = Σ_i a_i pad(w[:s_i])`, scales every column by the sum of the shares of the choices that have
    it: one forward pass and one set of weights, whatever the number of choices (https://arxiv.org/abs/2312.10440). The
    output of one map and the input of the next are both slices, so a column is scaled twice. Batch normalization comes
    before the scaling: a column's mean and deviation are its own, whichever choices have it. Modules that normalize
    over columns mix what every choice has normalized by itself (`SlicedStream.mixed`).

    `place` gives the position of each of the head's columns within its field's vector; it is -1 for columns of no field
    vector, which every choice has. The network's streams are all sliced ones.
    """

    place: Tensor
    in_vectors: Tensor
    dims: Tensor

    def __init__(self, network: Network, choices: WidthChoices) -> None:
        super().__init__()
        self.network, self.choices = network, choices
        self.alpha_dim = nn.Parameter(torch.zeros(len(choices.embedding_dim)))
        self.alpha_hidden = nn.Parameter(torch.zeros(len(choices.hidden)))
        self.alpha_streams = nn.Parameter(torch.zeros(len(choices.streams)))
        dim, hidden, _ = choices.largest
        place: list[int] = []
        for operator in network.operators.values():
            assert isinstance(operator, Operator)
            for width in operator.widths():
                place += range(width) if operator.vector else [-1] * width
        self.register_buffer("place", torch.tensor(place), persistent=False)
        self.register_buffer("in_vectors", (self.place >= 0).nonzero().flatten(), persistent=False)
        self.register_buffer("dims", _owned(choices.embedding_dim, dim), persistent=False)
        for layer, width in enumerate(hidden):
            widths = [choice[layer] for choice in choices.hidden]
            self.register_buffer(f"hidden_{layer}", _owned(widths, width), persistent=False)
        for name, stream in self._streams():
            counts = [_counter(type(stream))(chosen[name]) for chosen in choices.streams]
            self.register_buffer(f"{name}_slices", _owned(counts, max(counts)), persistent=False)

    def _streams(self) -> Iterator[tuple[str, SlicedStream]]:
        for name, stream in self.network.streams.items():
            assert isinstance(stream, SlicedStream)
            yield name, stream

    def alphas(self) -> list[nn.Parameter]:
        """Return the weights of the choices, where there is a choice."""
        return [alpha for _, alpha, _ in self._learned()]

    def _learned(self) -> list[tuple[str, nn.Parameter, Sequence[Any]]]:
        """Return weights and choices by the key of a space, where there is more than one choice."""
        every: list[tuple[str, nn.Parameter, Sequence[Any]]] = [
            ("sizes.embedding_dim", self.alpha_dim, self.choices.embedding_dim),
            ("readout.hidden", self.alpha_hidden, self.choices.hidden),
            ("streams", self.alpha_streams, self.choices.streams),
        ]
        return [(key, alpha, choices) for key, alpha, choices in every if len(choices) > 1]

    def forward(self, selected: Mapping[str, Tensor]) -> Tensor:
        """Return the logit, `[B]`."""
        dims = _held(self.alpha_dim, self.dims)
        scales = torch.cat([dims, dims.new_ones(1)])[self.place]
        columns = self.network.columns(selected)
        scales = scales.to(columns.dtype)
        columns = columns * scales
        logits = self._read(columns, scales)
        if self.network.streams:
            vectors = columns.index_select(1, self.in_vectors).unflatten(1, (-1, len(dims)))
            codes = vectors.new_empty((len(vectors), 0), dtype=torch.int32)
            shares = self.alpha_streams.softmax(0)
            for name, stream in self._streams():
                mixed = stream.mixed(Mixture(dims, self.get_buffer(f"{name}_slices"), shares))
                logits = logits + functional_call(stream, mixed, (vectors, codes))
        return logits

    def _read(self, columns: Tensor, scales: Tensor) -> Tensor:
        """Return the head's logit."""
        head = self.network.head
        if head.first is None:
            summed: Tensor = head(columns)
            return summed
        layer = 0
        found = head.first(columns * scales)
        for step in head.layers:
            found = step(found)
            if isinstance(step, nn.ReLU):
                held = _held(self.alpha_hidden, self.get_buffer(f"hidden_{layer}"))
                found = found * held.square().to(found.dtype)
                layer += 1
        logits: Tensor = found.squeeze(-1) + head.bias
        return logits

    def chosen(self) -> dict[str, Any]:
        """Return the choices with the largest weights, by the key of a space."""
        return {key: choices[int(alpha.argmax())] for key, alpha, choices in self._learned()}


@kept_memory()
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
    """Train weights and choices in turn, each on its own rows, and return the chosen sizes.

    The network's weights train on `weight_index` and the choices on `choice_index`: on rows that the weights have
    already learned from, larger sizes would always look better.
    """
    network = entangled.network
    chooser = DenseAdam([{"params": entangled.alphas()}], CHOICE_RATE)
    optimizers = make_optimizers(network, learning_rate, embedding_l2)
    choosing = on_device(endless(rows, choice_index, batch_size, generator), network.device)
    entangled.train()
    for epoch in range(epochs):
        for period in rows.shuffled(generator, index=weight_index):
            for batch in on_device(rows.batches(period, batch_size), network.device):
                train_step(batch_loss(entangled, batch), optimizers)
                step_of_choices(batch_loss(entangled, next(choosing)), entangled.alphas(), chooser)
        if on_epoch is not None:
            on_epoch(epoch + 1)
    for optimizer in optimizers:
        optimizer.release()
    return entangled.chosen()


def width_choices(parameters: Mapping[str, Sequence[Any]], default: Architecture) -> WidthChoices | None:
    """Return the choices of a space that can be entangled, by key; None where there is nothing to choose.

    Lists of hidden widths of another length than the first are left to the trials, as are sets of streams that differ
    in more than their slices, and everything else. `default` has the sizes where there is no choice.
    """
    dims = tuple(sorted({int(value) for value in parameters.get("sizes.embedding_dim", ())}))
    lists = [default.head.hidden]
    if default.head.name == "mlp" and "readout.hidden" in parameters:
        lists = [tuple(value) for value in parameters["readout.hidden"]]
    hidden = tuple(sorted({widths for widths in lists if len(widths) == len(lists[0])}))
    streams = tuple(parameters.get("streams", [default.streams]))
    unlike = any(_one_slice(chosen) != _one_slice(streams[0]) for chosen in streams)
    # An architecture without field vectors drops its streams.
    sliced = [name for name in default.streams if issubclass(get_stream(name), SlicedStream)]
    if unlike or not sliced:
        streams = ({},)
        if default.head.name == "none":
            return None
    choices = WidthChoices(dims or (default.sizes.embedding_dim,), hidden, streams)
    several = any(len(found) > 1 for found in (choices.embedding_dim, choices.hidden, choices.streams))
    return choices if several else None


def _one_slice(streams: Streams) -> dict[str, Any]:
    """Return the settings of every stream, with those of a sliced one as if it had one slice."""
    found = {}
    for name, given in streams.items():
        kind = get_stream(name)
        settings = kind.settings_of(given)
        found[name] = kind.slices(settings)[1] if issubclass(kind, SlicedStream) else settings
    return found


def _counter(kind: type[SlicedStream]) -> Callable[[Mapping[str, Any]], int]:
    """Return a function from the space's settings of such a stream to its number of slices."""
    return lambda given: kind.slices(kind.settings_of(given))[0]


def _held(alpha: Tensor, owned: Tensor) -> Tensor:
    """Return each column's weight in the mixture: the summed shares of the choices that have it."""
    # This is not a matrix product, because training computes those in bfloat16.
    return (alpha.softmax(0).unsqueeze(1) * owned).sum(0)


def _owned(widths: Sequence[int], largest: int) -> Tensor:
    """Return a mask of the columns each choice has, float32 `[choices, largest]`."""
    return (torch.arange(largest) < torch.tensor(widths).unsqueeze(1)).float()
