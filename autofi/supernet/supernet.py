"""The supernet: a network over every candidate of a space; any architecture can be activated or extracted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from autofi.data.features import Column
from autofi.model.model import Mask
from autofi.model.network import Layout, Network, Streams
from autofi.operators.base import Shapes, Sizes
from autofi.operators.registry import get_stream
from autofi.operators.streams import Stream
from autofi.space.head_config import HeadSizes

#: The operators that are active together in one slot; () is naive.
Forms = tuple[str, ...]


@dataclass(frozen=True)
class Slot:
    """A field or a pair for which the space offers a choice, with its options from cheap to dear."""

    column: Column
    options: tuple[Forms, ...]


class Supernet(Network):
    """A network of all candidates of all slots with shared weights.

    `activate` chooses one option per slot, `reset` makes everything active again, `keep` copies a part out. A path is
    one option per slot; its mask multiplies the vectors of everything else by zero.

    With several sets of streams, at most one is computed at a time: all rows of a step share it (`choose_streams`).
    Streams that are equal in two sets are one stream with shared weights.
    """

    def __init__(
        self,
        slots: Sequence[Slot],
        shapes: Shapes,
        sizes: Sizes,
        head: HeadSizes,
        *,
        streams: Sequence[Streams] = (),
        field_sum: bool = False,
        shared: bool = False,
        bias: float = 0.0,
    ) -> None:
        self.choices = tuple(slots)
        super().__init__(
            candidates(slots), shapes, sizes, head, field_sum=field_sum, shared=shared, bias=bias
        )
        self._active: dict[str, Tensor] | None = None
        #: The keys in `self.streams` of every set's streams.
        self.stream_sets: tuple[tuple[str, ...], ...] = ()
        self._chosen_streams: tuple[str, ...] = ()
        for chosen_streams in streams:
            self.add_streams(chosen_streams, shapes)
        # The options that switch an operator on in a slot: [slots of the operator, most options].
        most = max(len(slot.options) for slot in self.choices)
        where = {slot.column: position for position, slot in enumerate(self.choices)}
        for name, operator in self._operators():
            rows = torch.tensor([where[column] for column in operator.slots])
            table = torch.zeros(len(rows), most)
            for position, row in enumerate(rows.tolist()):
                for number, forms in enumerate(self.choices[row].options):
                    table[position, number] = float(name in forms)
            self.register_buffer(f"{name}_slots", rows, persistent=False)
            self.register_buffer(f"{name}_switches", table, persistent=False)

    def add_streams(self, streams: Streams, shapes: Shapes) -> None:
        """Offer one more set of streams.

        Raises:
            AutoFIError: These fields do not allow the set.
        """
        keys = tuple(self._add_stream(name, settings, shapes) for name, settings in streams.items())
        self.stream_sets = (*self.stream_sets, keys)

    def _add_stream(self, name: str, settings: Mapping[str, Any], shapes: Shapes) -> str:
        """Add a stream, or reuse an equal one, and return its key."""
        wanted = get_stream(name).settings_of(settings)
        for key, built in self.streams.items():
            assert isinstance(built, Stream)
            if built.name == name and built.settings == wanted:
                return key
        key = f"{name}_{len(self.streams)}"
        self.streams[key] = self._built({name: settings}, shapes)[name]
        return key

    def choose_streams(self, number: int | None) -> None:
        """Add the logits of this set of streams to the network's, or of none."""
        self._chosen_streams = () if number is None else self.stream_sets[number]

    def active_streams(self) -> list[Stream]:
        found = [self.streams[key] for key in self._chosen_streams]
        return [stream for stream in found if isinstance(stream, Stream)]

    def stream_logits(self, selected: Mapping[str, Tensor]) -> Tensor:
        """Return the logits of the chosen streams, `[B]`, which read the active vectors."""
        found = self._stream_logits(self._parts(selected, self._active, vectors=True), selected)
        return self.head.bias.new_zeros(len(next(iter(selected.values())))) if found is None else found

    @property
    def branched(self) -> bool:
        """Always False: streams of all sets are trained on their mean by the usual loss."""
        return False

    def _switches(self) -> Iterator[tuple[str, Tensor, Tensor]]:
        for name, _ in self._operators():
            yield name, self.get_buffer(f"{name}_slots"), self.get_buffer(f"{name}_switches")

    def forward(self, selected: Mapping[str, Tensor], mask: Mask | None = None) -> Tensor:
        return super().forward(selected, mask if mask is not None else self._active)

    def activate(self, layout: Layout) -> None:
        """Make exactly these slots of these operators active; a slot that an operator lacks is an error."""
        self._check_within(layout)
        self._active = {}
        for name, operator in self._operators():
            wanted = set(layout.get(name, ()))
            active = [float(slot in wanted) for slot in operator.slots]
            self._active[name] = torch.tensor(active, device=self.device)

    def reset(self) -> None:
        """Make every candidate active."""
        self._active = None

    def path_mask(self, options: Tensor, rows: int) -> Mask:
        """Return the mask of one path per group of rows.

        Args:
            options: The option of every slot in every group of consecutive rows, int64 `[G, slots]`.

        Returns:
            A mask by operator, float `[rows, S]`.
        """
        groups = len(options)
        options = options.to(self.device)
        mask = {}
        for name, where, table in self._switches():
            active = table.expand(groups, -1, -1).gather(2, options[:, where].unsqueeze(-1)).squeeze(-1)
            mask[name] = active.repeat_interleave(-(-rows // groups), dim=0)[:rows]
        return mask

    def weighted_mask(self, weights: Tensor) -> Mask:
        """Return the mask of a mixture: `weights` float `[slots, most options]` → by operator, `[S]`."""
        return {name: (weights[where] * table).sum(1) for name, where, table in self._switches()}


def candidates(slots: Sequence[Slot]) -> dict[str, list[Column]]:
    """Return every operator with the slots that offer it."""
    layout: dict[str, list[Column]] = {}
    for slot in slots:
        for name in dict.fromkeys(name for forms in slot.options for name in forms):
            layout.setdefault(name, []).append(slot.column)
    return layout


def chosen(slots: Sequence[Slot], options: Sequence[int]) -> dict[str, list[Column]]:
    """Return the layout of one option per slot."""
    layout: dict[str, list[Column]] = {}
    for slot, option in zip(slots, options, strict=True):
        for name in slot.options[option]:
            layout.setdefault(name, []).append(slot.column)
    return layout
