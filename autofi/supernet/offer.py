"""What a space offers on some data: the options of every field and open pair, and sets of streams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from autofi.data.features import Pair
from autofi.errors import AutoFIError
from autofi.model.network import Streams
from autofi.model.readout import ReadoutSizes
from autofi.operators.base import Shapes, Sizes
from autofi.operators.registry import choices_of
from autofi.progress import Progress
from autofi.space.architecture import Forms
from autofi.space.encoding import label
from autofi.space.search_space import SearchSpace, StreamSets, subsets
from autofi.supernet.run import HIDDEN
from autofi.supernet.screen import PairScore
from autofi.supernet.supernet import Slot, Supernet


def slots_of(
    space: SearchSpace, forms: Mapping[str, Forms], opened: Mapping[Pair, PairScore | None]
) -> list[Slot]:
    """The fields, then the open pairs, each with its options from cheap to dear."""
    slots = [
        Slot((position,), subsets(found) if space.fields.search else (found,))
        for position, found in enumerate(forms.values())
    ]
    for pair, score in opened.items():
        slots.append(Slot(pair, tuple(option for option in space.pairs.options if _offered(option, score))))
    return slots


def _offered(option: Forms, score: PairScore | None) -> bool:
    """Whether the screen leaves an option in: it says which kind explains the pair better, and only that is trained."""
    if score is None or not option:
        return True
    kinds = choices_of(option)
    return kinds == {"factorize" if score.factorize > score.memorize else "memorize"}


def streams_of(
    space: SearchSpace, slots: Sequence[Slot], shapes: Shapes, progress: Progress
) -> tuple[Streams, ...]:
    """The sets of streams that these fields allow; () where there is no choice."""
    if not isinstance(space.streams, StreamSets):
        return ()
    found = []
    probe = Supernet(slots, shapes, Sizes(), ReadoutSizes(hidden=HIDDEN))
    for streams in space.streams.choices:
        try:
            probe.add_streams(streams, shapes)
        except AutoFIError as error:
            progress.note(f"Without {label(streams)} in the supernet: {error}")
        else:
            found.append(streams)
    return tuple(found) if len(found) > 1 else ()
