"""Scoring of architectures by the weights of a trained supernet; everything they share is computed once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from autofi.metrics.ranking import auc
from autofi.model.head import Head
from autofi.supernet.first_layer_cache import FirstLayer
from autofi.supernet.supernet import Supernet
from autofi.training.precision import fast_dtype
from autofi.training.row_source import Rows

#: Bytes that a scorer keeps: vectors of candidates, and within this share of them remembered first-layer outputs.
BUDGET = 4 << 30
OUTPUT_SHARE = 0.25
#: Rows per block: few enough for its copies to stay in the processor's cache, enough for a fast product.
BLOCK_ROWS = 1024
#: An output is derived from another if at most this share of the columns changes, and at most this many times in a
#: row, because each time rounds once more.
WORTH_DERIVING = 0.5
MOST_DERIVED = 8

#: An option per slot.
Options = tuple[int, ...]


@dataclass(frozen=True)
class Score:
    """The AUC and the logloss of an architecture on all rows of a scorer."""

    auc: float
    logloss: float


@dataclass(frozen=True)
class _Output:
    """The first layer's output of an architecture, `[rows, H]` by block, and how often it was derived."""

    active: Tensor
    blocks: tuple[Tensor, ...]
    derived: int


class Scorer:
    """A trained supernet with rows it never saw, which scores architectures of one option per slot.

    The vectors of every candidate are computed once: at 741 pairs of two operators of width 10 they take 30 KB per row
    in bfloat16. Those of the first rows are kept as far as the budget allows; those of the rest are computed again by
    every call, block by block, so one call should score many architectures.

    An architecture costs one product over the columns it uses, and the layers above. An architecture that differs in
    few slots from one passed to `remember` costs a product over the difference alone.

    The rows lie in a random order, so that any number of first blocks is a sample of all.

    Products are in bfloat16 where those of training are (`training.precision`), except the last layer, ensemble heads,
    and heads without hidden layers: candidates are compared by means over thousands of rows, which average the rounding
    out.
    """

    @torch.no_grad()
    def __init__(
        self,
        supernet: Supernet,
        rows: Rows,
        *,
        generator: torch.Generator,
        budget: int = BUDGET,
        block_rows: int = BLOCK_ROWS,
        dtype: torch.dtype | None = None,
    ) -> None:
        supernet.eval()
        head = supernet.head
        hidden = len(head.layers) > 0
        dtype = (dtype or fast_dtype(head.bias.device)) if hidden else torch.float32
        self.layer = FirstLayer(supernet, dtype)
        #: The function from the first layer's output to the logits, `[N, H] → [N]`.
        self.rest = _rest_in(head, dtype) if hidden else head.rest
        #: The positions of the scorer's rows in `rows`.
        self.order = torch.randperm(len(rows), generator=generator)
        self.rows = rows.take(self.order.to(rows.labels.device))
        #: The rows of every block.
        self.parts = [
            slice(start, min(start + block_rows, len(rows))) for start in range(0, len(rows), block_rows)
        ]
        self._output_bytes = int(budget * OUTPUT_SHARE)
        left = budget - self._output_bytes
        self._kept: list[Tensor] = []
        for part in self.parts:
            left -= self.layer.bytes(part.stop - part.start)
            if left < 0:
                break
            self._kept.append(self.layer.activations(self.rows.part(part)))
        self._outputs: OrderedDict[Options, _Output] = OrderedDict()

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def blocks(self) -> range:
        """The numbers of all blocks of rows."""
        return range(len(self.parts))

    @torch.no_grad()
    def logits(self, candidates: Sequence[Sequence[int]], blocks: range | None = None) -> Tensor:
        """Return the logits of every candidate on the rows of consecutive blocks (default: all), `[candidates, N]`."""
        blocks = self.blocks if blocks is None else blocks
        span = self.span(blocks)
        found = self.rows.labels.new_empty(len(candidates), span.stop - span.start)
        for group in self.activations(blocks):
            for row, options in enumerate(candidates):
                base, _, columns, weight = self._plan(options)
                for number, activations in group.items():
                    part = self.parts[number]
                    first = self.layer.output(
                        activations, columns, weight, None if base is None else base.blocks[number]
                    )
                    found[row, part.start - span.start : part.stop - span.start] = self.rest(first)
        return found

    @torch.no_grad()
    def losses(self, candidates: Sequence[Sequence[int]], blocks: range | None = None) -> Tensor:
        """Return every candidate's logloss on every row of these blocks, times the row's weight, `[candidates, N]`."""
        blocks = self.blocks if blocks is None else blocks
        return self.row_losses(self.logits(candidates, blocks), self.span(blocks))

    def score(self, options: Sequence[int]) -> Score:
        """Return the AUC and the logloss of one architecture on all rows."""
        logits = self.logits([options])
        labels, values = self.rows.labels.cpu().numpy(), logits[0].cpu().numpy()
        weights = None if self.rows.weights is None else self.rows.weights.cpu().numpy()
        loss = self.row_losses(logits, self.span(self.blocks)).double().mean()
        return Score(auc(labels, values, weights), float(loss))

    @torch.no_grad()
    def remember(self, options: Sequence[int]) -> None:
        """Keep the first layer's output of this architecture, to derive those that differ from it in few slots.

        When the budget is full, the outputs unused for the longest time are dropped.
        """
        options = tuple(options)
        if options in self._outputs:
            self._outputs.move_to_end(options)
            return
        base, active, columns, weight = self._plan(options)
        blocks = tuple(
            self.layer.output(activations, columns, weight, None if base is None else base.blocks[number])
            for group in self.activations(self.blocks)
            for number, activations in group.items()
        )
        self._outputs[options] = _Output(active, blocks, 0 if base is None else base.derived + 1)
        while len(self._outputs) * self.layer.output_bytes(len(self)) > self._output_bytes:
            self._outputs.popitem(last=False)

    def _plan(self, options: Sequence[int]) -> tuple[_Output | None, Tensor, Tensor, Tensor]:
        """Return the output to derive an architecture's from, its columns, and the columns and weights to multiply."""
        active = self.layer.active(options)
        base = None
        if self._outputs:
            names, outputs = zip(*self._outputs.items(), strict=True)
            changed = (torch.stack([output.active for output in outputs]) ^ active).sum(1)
            nearest = int(changed.argmin())
            if changed[nearest] <= WORTH_DERIVING * active.sum() and outputs[nearest].derived < MOST_DERIVED:
                base = outputs[nearest]
                self._outputs.move_to_end(names[nearest])
        return base, active, *self.layer.between(None if base is None else base.active, active)

    def activations(self, blocks: range) -> Iterator[dict[int, Tensor]]:
        """Yield the vectors of these blocks: the kept blocks together, then one block at a time."""
        kept = {number: self._kept[number] for number in blocks if number < len(self._kept)}
        if kept:
            yield kept
        for number in blocks[len(kept) :]:
            yield {number: self.layer.activations(self.rows.part(self.parts[number]))}

    def span(self, blocks: range) -> slice:
        """Return the rows of consecutive blocks."""
        return slice(self.parts[blocks[0]].start, self.parts[blocks[-1]].stop)

    def row_losses(self, logits: Tensor, span: slice) -> Tensor:
        """Return the logloss of every row from the logits `[candidates, N]` of these rows."""
        labels = self.rows.labels[span].expand_as(logits)
        losses = nn.functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")
        weights = self.rows.weights
        return losses if weights is None else losses * (weights[span] / weights.mean())


def _rest_in(head: Head, dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
    """Return `head.rest` with its inner layers in `dtype` and the last in float32: rounded logits would tie rows."""
    # The first layer is not needed here, but one column is too little to treat separately.
    quick = head.narrow([0]).requires_grad_(False)
    inner, last = list(quick.layers)[:-1], quick.layers[-1]
    for layer in inner:
        if isinstance(layer, nn.Linear):
            layer.to(dtype)
    quick.layers = nn.Sequential(*inner, _ToFloat(), last)
    return quick.rest


class _ToFloat(nn.Module):
    def forward(self, hidden: Tensor) -> Tensor:
        return hidden.float()
