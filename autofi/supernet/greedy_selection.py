"""Greedy selection of options by paired differences of held-out logloss, weighed against their standard errors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from autofi.data.features import Column
from autofi.supernet.first_layer_cache import FirstLayer
from autofi.supernet.supernet import Slot, Supernet
from autofi.training.row_source import Rows


@dataclass(frozen=True)
class Move:
    """An accepted change of one slot, with its gain on held-out rows and its standard error."""

    column: Column
    option: int
    gain: float
    standard_error: float


class HeldOut:
    """One trained supernet with the held-out rows that judge it; the candidates' vectors are computed once.

    The first layer is linear: to change an option costs one product over the columns that differ, and only the layers
    above are computed again. Everything is float32: a move is judged by differences as small as the rounding of
    bfloat16.
    """

    @torch.no_grad()
    def __init__(self, supernet: Supernet, rows: Rows) -> None:
        supernet.eval()
        self.supernet, self.labels = supernet, rows.labels
        self._layer = FirstLayer(supernet, torch.float32)
        self._activations = self._layer.activations(rows)
        self._position = {slot.column: position for position, slot in enumerate(supernet.choices)}

    @torch.no_grad()
    def first(self, options: Sequence[int]) -> Tensor:
        """Return the first layer's output `[N, H]` for one option per slot."""
        layer = self._layer
        return layer.output(self._activations, *layer.between(None, layer.active(options)), None)

    @torch.no_grad()
    def changed(self, first: Tensor, slot: Slot, now: int, option: int) -> Tensor:
        """Return the first layer's output after one slot goes from option `now` to `option`."""
        layer, position = self._layer, self._position[slot.column]
        before, after = (layer.active_at(position, number) for number in (now, option))
        return layer.output(self._activations, *layer.between(before, after), first)

    @torch.no_grad()
    def losses(self, first: Tensor) -> Tensor:
        """Return the logloss of every row, `[N]`, from the first layer's output."""
        logits = self.supernet.head.rest(first)
        return nn.functional.binary_cross_entropy_with_logits(logits, self.labels, reduction="none")


@dataclass
class _Candidate:
    """A change of one slot with its gain when last measured, and the number of moves before that measurement."""

    row: int
    option: int
    gain: float = math.inf
    standard_error: float = 0.0
    measured: int = -1


@torch.no_grad()
def select(
    held_out: Sequence[HeldOut],
    start: Sequence[int],
    *,
    threshold: float,
    most_moves: int = 200,
) -> tuple[list[int], list[Move]]:
    """Select options greedily: from `start`, accept the change with the largest gain while one is sure enough.

    A change to a dearer option must gain more than `threshold` standard errors of its paired differences; a change to a
    cheaper one is accepted as soon as it loses nothing, and equal gains go to the cheaper option.

    The search is lazy: after a move, changes are measured again in falling order of their last gain, only until the
    best is ahead of the last gains of the rest. It ends only when every change has been measured from the present
    options.

    Returns:
        The options, and the accepted moves in order.
    """
    slots = held_out[0].supernet.choices
    options = list(start)
    current = [fold.first(options) for fold in held_out]
    losses = [fold.losses(first) for fold, first in zip(held_out, current, strict=True)]
    moves: list[Move] = []
    candidates = [_Candidate(row, n) for row, slot in enumerate(slots) for n in range(len(slot.options))]
    while len(moves) < most_moves:
        best: _Candidate | None = None
        for candidate in sorted(candidates, key=lambda c: (-c.gain, c.option, c.row)):
            now = options[candidate.row]
            if candidate.option == now:
                continue
            if best is not None and candidate.gain < best.gain:
                break
            if candidate.measured < len(moves):
                _measure(candidate, held_out, current, losses, slots[candidate.row], now)
                candidate.measured = len(moves)
            ahead = best is None or (-candidate.gain, candidate.option) < (-best.gain, best.option)
            if ahead and _accepted(candidate, now, threshold):
                best = candidate
        if best is None:
            break
        slot = slots[best.row]
        for number, fold in enumerate(held_out):
            current[number] = fold.changed(current[number], slot, options[best.row], best.option)
            losses[number] = fold.losses(current[number])
        moves.append(Move(slot.column, best.option, best.gain, best.standard_error))
        options[best.row] = best.option
        for candidate in candidates:
            if candidate.row == best.row:
                candidate.gain = math.inf  # measured against an option that is no longer there
    return options, moves


def _accepted(candidate: _Candidate, now: int, threshold: float) -> bool:
    if candidate.option > now:
        return candidate.gain > threshold * candidate.standard_error
    return candidate.gain >= 0


def _measure(
    candidate: _Candidate,
    held_out: Sequence[HeldOut],
    current: Sequence[Tensor],
    losses: Sequence[Tensor],
    slot: Slot,
    now: int,
) -> None:
    differences = torch.cat(
        [
            loss - fold.losses(fold.changed(first, slot, now, candidate.option))
            for fold, first, loss in zip(held_out, current, losses, strict=True)
        ]
    ).double()
    candidate.gain = float(differences.mean())
    candidate.standard_error = float(differences.std() / len(differences) ** 0.5)
