"""Trained supernets as judges of whole architectures: one option per slot, and a set of interaction streams."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import torch
from torch import Tensor

from autofi.operators.registry import vector_operators
from autofi.supernet.batchnorm_recalibration import recalibrate
from autofi.supernet.fold_supernets import FoldSupernet, PathSupernets
from autofi.supernet.inherited_scoring import BLOCK_ROWS, Options, Scorer
from autofi.supernet.supernet import Slot, Supernet, chosen
from autofi.training.row_source import RowSource

#: Rows per pass through the streams.
STREAM_ROWS = 8192

#: The rows that guide an exploration, and the rows that have no part in it.
HeldOutHalf = Literal["guiding", "judging"]


class InheritedEvaluator:
    """The supernets of all folds, with the logits that every set of streams adds.

    The streams' logits are computed once, over the vectors that `start` gives the fields (over all where it gives
    none): an architecture with streams keeps those vectors. Judging then costs one pass of the rows through the head.
    """

    def __init__(self, supernets: PathSupernets, start: Options, *, seed: int) -> None:
        supernet = supernets.folds[0].supernet
        self.slots, self.sets = supernet.choices, range(len(supernet.stream_sets))
        self._empty = {None, *(number for number, keys in enumerate(supernet.stream_sets) if not keys)}
        self._streamed = _streamed(self.slots, start)
        beside = tuple(by[option] for by, option in zip(self._streamed, start, strict=True))
        self._judges = [_FoldEvaluator(fold, supernets.rows, beside, seed) for fold in supernets.folds]

    def settled(self, options: Sequence[int], streams: int | None) -> tuple[Options, int | None]:
        """Return the point with the vectors that its streams read; a point without streams is returned unchanged."""
        if streams in self._empty:
            return tuple(options), streams
        return tuple(by[option] for by, option in zip(self._streamed, options, strict=True)), streams

    def losses(self, options: Options, streams: int | None, *halves: HeldOutHalf) -> Tensor:
        """Return the logloss of every row of these halves, `[N]`, for a point from `settled`."""
        return torch.cat([judge.losses(options, streams, half) for half in halves for judge in self._judges])

    def rank_streams(self, options: Options) -> list[int]:
        """Return the sets of streams by their logloss beside these options, best first; ties keep the space's order."""
        means = [
            float(self.losses(*self.settled(options, number), "guiding", "judging").double().mean())
            for number in self.sets
        ]
        return sorted(self.sets, key=means.__getitem__)


class _FoldEvaluator:
    """One fold's supernet with the rows that judge it."""

    def __init__(self, fold: FoldSupernet, rows: RowSource, beside: Options, seed: int) -> None:
        supernet, judging = fold.supernet, rows.take(fold.judging).to(fold.supernet.device)
        block = min(BLOCK_ROWS, max(1, -(-len(judging) // 2)))
        self._scorer = Scorer(
            supernet, judging, generator=torch.Generator().manual_seed(seed), block_rows=block
        )
        blocks = self._scorer.blocks
        middle = max(1, len(blocks) // 2)
        self._halves = {"guiding": blocks[:middle], "judging": blocks[middle:] or blocks}
        supernet.activate(chosen(supernet.choices, beside))
        sets = range(len(supernet.stream_sets))
        self._beside = [self._stream_logits(supernet, fold, rows, number) for number in sets]
        supernet.reset()

    @torch.no_grad()
    def losses(self, options: Options, streams: int | None, half: HeldOutHalf) -> Tensor:
        blocks = self._halves[half]
        span = self._scorer.span(blocks)
        logits = self._scorer.logits([options], blocks)
        if streams is not None:
            logits = logits + self._beside[streams][span]
        return self._scorer.row_losses(logits, span)[0].cpu()

    @torch.no_grad()
    def _stream_logits(self, supernet: Supernet, fold: FoldSupernet, rows: RowSource, number: int) -> Tensor:
        """Return the logits of one set of streams on the scorer's rows, in its order, `[N]`."""
        supernet.choose_streams(number)
        recalibrate(supernet, rows, fold.training)
        pieces = [supernet.stream_logits(piece.selected) for piece in self._scorer.rows.pieces(STREAM_ROWS)]
        supernet.choose_streams(None)
        return torch.cat(pieces)


def _streamed(slots: Sequence[Slot], start: Options) -> list[list[int]]:
    """Return, by slot and option, the option of the same forms with the vectors of the start."""
    given = [_vectors(slot.options[option]) for slot, option in zip(slots, start, strict=True)]
    if not any(given):
        given = [_vectors(form for forms in slot.options for form in forms) for slot in slots]
    return [_with_vectors(slot, vectors) for slot, vectors in zip(slots, given, strict=True)]


def _vectors(forms: Iterable[str]) -> set[str]:
    return set(forms) & vector_operators()


def _with_vectors(slot: Slot, vectors: set[str]) -> list[int]:
    """Return, by option of a field, the option with its other forms and these vectors; a pair's options stay."""
    where = {frozenset(forms): number for number, forms in enumerate(slot.options)}
    if len(slot.column) > 1:
        return list(range(len(slot.options)))
    return [
        where.get(frozenset({*forms} - vector_operators() | vectors), number)
        for number, forms in enumerate(slot.options)
    ]
