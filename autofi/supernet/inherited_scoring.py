"""Scoring architectures by the weights of a trained supernet: everything they share is computed once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from autofi.metrics.ranking import auc
from autofi.model.head import Readout
from autofi.supernet.first_layer_cache import FirstLayer
from autofi.supernet.supernet import Supernet
from autofi.training.precision import fast_dtype
from autofi.training.row_source import Rows

#: Bytes a scorer keeps: vectors of candidates, and in this share of them the first layer's outputs it remembers.
BUDGET = 4 << 30
OUTPUT_SHARE = 0.25
#: Rows of a block: few enough for its copies to stay in the processor's cache, many enough for a fast product.
BLOCK_ROWS = 1024
#: An output is derived from another where at most this share of the columns changes, and so many times in a row:
#: each time rounds once more.
WORTH_DERIVING = 0.5
MOST_DERIVED = 8

#: An option per slot.
Options = tuple[int, ...]


@dataclass(frozen=True)
class Score:
    """What an architecture came to on all rows of a scorer."""

    auc: float
    logloss: float


@dataclass(frozen=True)
class _Output:
    """The first layer's output of an architecture, `[rows, H]` by block, and how often it was derived."""

    active: Tensor
    blocks: tuple[Tensor, ...]
    derived: int


class Scorer:
    """A trained supernet with rows it never saw, which scores architectures: an option per slot each.

    The vectors of every candidate are computed once: at 741 pairs of two operators of width 10 they take 30 KB a row
    in bfloat16. Those of the first rows are kept as far as the budget goes; those of the rest are computed again by
    every call, block by block, so that one call should score many architectures.

    An architecture costs one product over the columns it uses, and the layers above. One that differs in few slots
    from another that was told to `remember` costs a product over the difference alone.

    The rows lie in a random order of their own, so that any number of first blocks is a sample of all.

    Products are in bfloat16 where those of training are (`training.precision`), except the last layer, members, and
    read-outs without hidden layers: candidates are compared by means over thousands of rows, which average it out.
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
        readout = supernet.readout
        hidden = len(readout.layers) > 0
        dtype = (dtype or fast_dtype(readout.bias.device)) if hidden else torch.float32
        self.layer = FirstLayer(supernet, dtype)
        #: The logits from the first layer's output, `[N, H] → [N]`.
        self.rest = _rest_in(readout, dtype) if hidden else readout.rest
        #: Where the scorer's own rows lie in `rows`.
        self.order = torch.randperm(len(rows), generator=generator)
        self.rows = rows.take(self.order.to(rows.labels.device))
        #: Which rows every block holds.
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
        """All blocks of rows, by number."""
        return range(len(self.parts))

    @torch.no_grad()
    def logits(self, candidates: Sequence[Sequence[int]], blocks: range | None = None) -> Tensor:
        """The logits of every candidate on the rows of some consecutive blocks (all by default), `[candidates, N]`."""
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
        """Logloss of every candidate on every row of some blocks, `[candidates, N]`; a row's weight multiplies it."""
        blocks = self.blocks if blocks is None else blocks
        return self.row_losses(self.logits(candidates, blocks), self.span(blocks))

    def score(self, options: Sequence[int]) -> Score:
        """AUC and logloss of one architecture on all rows."""
        logits = self.logits([options])
        labels, values = self.rows.labels.cpu().numpy(), logits[0].cpu().numpy()
        weights = None if self.rows.weights is None else self.rows.weights.cpu().numpy()
        loss = self.row_losses(logits, self.span(self.blocks)).double().mean()
        return Score(auc(labels, values, weights), float(loss))

    @torch.no_grad()
    def remember(self, options: Sequence[int]) -> None:
        """Keep the first layer's output of this architecture for those that differ from it in few slots.

        The ones longest unused are forgotten where the budget ends.
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
        """What to derive an architecture's output from, the columns it uses, those to multiply and their weights."""
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
        """The vectors of these blocks: the kept ones together, then one at a time."""
        kept = {number: self._kept[number] for number in blocks if number < len(self._kept)}
        if kept:
            yield kept
        for number in blocks[len(kept) :]:
            yield {number: self.layer.activations(self.rows.part(self.parts[number]))}

    def span(self, blocks: range) -> slice:
        """The rows of consecutive blocks."""
        return slice(self.parts[blocks[0]].start, self.parts[blocks[-1]].stop)

    def row_losses(self, logits: Tensor, span: slice) -> Tensor:
        """Logloss of every row from logits `[candidates, N]` of these rows."""
        labels = self.rows.labels[span].expand_as(logits)
        losses = nn.functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")
        weights = self.rows.weights
        return losses if weights is None else losses * (weights[span] / weights.mean())


def _rest_in(readout: Readout, dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
    """`readout.rest` with its inner layers in `dtype` and the last in float32: a rounded logit would tie rows."""
    # The first layer is not needed here, and one column of it is not worth a way around.
    quick = readout.narrow([0]).requires_grad_(False)
    inner, last = list(quick.layers)[:-1], quick.layers[-1]
    for layer in inner:
        if isinstance(layer, nn.Linear):
            layer.to(dtype)
    quick.layers = nn.Sequential(*inner, _ToFloat(), last)
    return quick.rest


class _ToFloat(nn.Module):
    def forward(self, hidden: Tensor) -> Tensor:
        return hidden.float()
