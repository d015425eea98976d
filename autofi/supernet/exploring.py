"""Exploring: whole architectures scored by the weights they inherit, each proposed from what those before came to.

Selecting goes one option at a time, and sees no gain that two changes have only together. Here a sampler of the engine
walks on from there. Half of the rows that judge guide it; the best are compared on the other half, where looking at
many architectures has not favoured any of them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Literal

import torch
from optuna.distributions import CategoricalDistribution
from torch import Tensor

from autofi.engine.base import Known, Question
from autofi.engine.registry import propose
from autofi.operators.registry import vector_operators
from autofi.supernet.exploration import Explored
from autofi.supernet.path_supernets import Judged, PathSupernets
from autofi.supernet.recalibration import recalibrate
from autofi.supernet.run import Run
from autofi.supernet.scoring import BLOCK_ROWS, Options, Scorer
from autofi.supernet.supernet import Slot, Supernet, chosen
from autofi.training.rows import RowSource

#: Architectures that are compared on the other half of the rows.
FINALISTS = 16
#: Of what is known, the sampler is shown so many at most, the last: the cost of a proposal must not grow.
SHOWN = 256
#: The key of the set of streams beside those of the slots.
STREAMS = "streams"
#: What a slot's option is called that switches nothing on.
NAIVE = "naive"
#: Rows of one pass through the streams.
STREAM_ROWS = 8192

Half = Literal["guiding", "judging"]


def explore(
    run: Run,
    supernets: PathSupernets,
    starts: Sequence[Options],
    streams: int | None,
    *,
    count: int,
    sampler: str,
) -> tuple[Explored, ...]:
    """Propose `count` architectures, the `starts` with that set of streams first; every distinct one, in order.

    A step costs one proposal and one pass of half of the judging rows through the read-out. Streams add their logits,
    which are computed once, over the vectors that the first start gives the fields (all, where it gives none): an
    architecture with streams keeps those.
    """
    walk = _Walk(supernets.folds[0].supernet, starts[0], streams)
    judges = [_Judge(run, fold, supernets.rows, walk.streamed) for fold in supernets.folds]
    known: list[Known] = []
    found: dict[tuple[Options, int | None], Explored] = {}
    for step in range(count):
        if step < len(starts):
            point = walk.settled(starts[step], streams)
        else:
            question = Question(
                walk.distributions,
                walk.parameters(starts[0], streams),
                known[-SHOWN:],
                ("minimize",),
                # As much is shown after SHOWN steps: what is drawn must differ all the same.
                seed=run.seed * count + step,
            )
            point = walk.point(propose(sampler, question), starts[0])
        if point not in found:
            losses = _losses(judges, *point, "guiding")
            found[point] = Explored(*point, float(losses.double().mean()))
        known.append(Known(walk.parameters(*point), (found[point].guided,)))
        if (step + 1) % 50 == 0 or step + 1 == count:
            run.progress.advance(50 if (step + 1) % 50 == 0 else count % 50, scored=len(found))
    return _compared(judges, list(found.values()))


def _compared(judges: Sequence[_Judge], scored: Sequence[Explored]) -> tuple[Explored, ...]:
    """The same, the most promising with what they gain on the start on rows that guided nobody."""
    start = scored[0]
    before = _losses(judges, start.options, start.streams, "judging")

    def compared(one: Explored) -> Explored:
        gains = (before - _losses(judges, one.options, one.streams, "judging")).double()
        return dataclasses.replace(
            one, gain=float(gains.mean()), standard_error=float(gains.std() / len(gains) ** 0.5)
        )

    finalists = sorted(scored[1:], key=lambda one: one.guided)[:FINALISTS]
    return tuple(compared(one) if one in finalists else one for one in scored)


def _losses(judges: Sequence[_Judge], options: Options, streams: int | None, half: Half) -> Tensor:
    return torch.cat([judge.losses(options, streams, half) for judge in judges])


class _Judge:
    """One fold's supernet with the rows that judge it, and what every set of streams adds to their logits."""

    def __init__(self, run: Run, fold: Judged, rows: RowSource, streamed: Options) -> None:
        supernet, judging = fold.supernet, rows.take(fold.judging).to(fold.supernet.device)
        block = min(BLOCK_ROWS, max(1, -(-len(judging) // 2)))
        self._scorer = Scorer(supernet, judging, generator=run.draws(), block_rows=block)
        blocks = self._scorer.blocks
        middle = max(1, len(blocks) // 2)
        self._halves = {"guiding": blocks[:middle], "judging": blocks[middle:] or blocks}
        supernet.activate(chosen(supernet.choices, streamed))
        sets = range(len(supernet.stream_sets))
        self._beside = [self._stream_logits(fold, rows, number) for number in sets]
        supernet.reset()

    @torch.no_grad()
    def losses(self, options: Options, streams: int | None, half: Half) -> Tensor:
        """Logloss of every row of one half."""
        blocks = self._halves[half]
        span = self._scorer.span(blocks)
        logits = self._scorer.logits([options], blocks)
        if streams is not None:
            logits = logits + self._beside[streams][span]
        return self._scorer.row_losses(logits, span)[0].cpu()

    @torch.no_grad()
    def _stream_logits(self, fold: Judged, rows: RowSource, number: int) -> Tensor:
        """Those of one set of streams, on the scorer's rows in its order, `[N]`."""
        supernet = fold.supernet
        supernet.choose_streams(number)
        recalibrate(supernet, rows, fold.training)
        pieces = [supernet.stream_logits(piece.selected) for piece in self._scorer.rows.pieces(STREAM_ROWS)]
        supernet.choose_streams(None)
        return torch.cat(pieces)


class _Walk:
    """Points of the space as a sampler sees them: a parameter per slot with a choice, and one for the streams."""

    def __init__(self, supernet: Supernet, start: Options, streams: int | None) -> None:
        slots, sets = supernet.choices, supernet.stream_sets
        self._names = [" × ".join(map(str, slot.column)) for slot in slots]
        self._labels = [[_label(forms) for forms in slot.options] for slot in slots]
        given = [_vectors(slot.options[option]) for slot, option in zip(slots, start, strict=True)]
        if not any(given):
            given = [_vectors(form for forms in slot.options for form in forms) for slot in slots]
        self._with_vectors = [
            _with_vectors(slot, vectors) for slot, vectors in zip(slots, given, strict=True)
        ]
        #: The start as it is beside streams.
        self.streamed: Options = tuple(
            by[option] for by, option in zip(self._with_vectors, start, strict=True)
        )
        self.distributions = {
            name: CategoricalDistribution(labels)
            for name, labels in zip(self._names, self._labels, strict=True)
            if len(labels) > 1
        }
        self._empty = {None, *(number for number, keys in enumerate(sets) if not keys)}
        self._streamed = streams is not None
        if self._streamed:
            self.distributions[STREAMS] = CategoricalDistribution(
                [str(number) for number in range(len(sets))]
            )

    def parameters(self, options: Options, streams: int | None) -> dict[str, str]:
        """A point as the sampler's parameters."""
        named = zip(self._names, self._labels, options, strict=True)
        found = {name: labels[option] for name, labels, option in named if len(labels) > 1}
        return found | ({STREAMS: str(streams)} if self._streamed else {})

    def point(self, parameters: dict[str, str], otherwise: Options) -> tuple[Options, int | None]:
        """The point of a sampler's parameters."""
        options = tuple(
            labels.index(parameters[name]) if name in parameters else option
            for name, labels, option in zip(self._names, self._labels, otherwise, strict=True)
        )
        return self.settled(options, int(parameters[STREAMS]) if self._streamed else None)

    def settled(self, options: Options, streams: int | None) -> tuple[Options, int | None]:
        """The same, with the vectors that streams read where there are any."""
        if streams in self._empty:
            return tuple(options), streams
        return tuple(by[option] for by, option in zip(self._with_vectors, options, strict=True)), streams


def _label(forms: tuple[str, ...]) -> str:
    return "+".join(forms) or NAIVE


def _vectors(forms: Iterable[str]) -> set[str]:
    return set(forms) & vector_operators()


def _with_vectors(slot: Slot, vectors: set[str]) -> list[int]:
    """By option of a field, the one with its other forms and these vectors; of a pair, the option itself."""
    where = {frozenset(forms): number for number, forms in enumerate(slot.options)}
    if len(slot.column) > 1:
        return list(range(len(slot.options)))
    return [
        where.get(frozenset({*forms} - vector_operators() | vectors), number)
        for number, forms in enumerate(slot.options)
    ]
