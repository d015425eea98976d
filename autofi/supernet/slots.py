"""The slots that a space offers on given data: options of every field and open pair, and sets of streams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from autofi.data.dataset import EncodedDataset
from autofi.data.feature_builder import FeatureBuilder, build_features
from autofi.data.features import Features, Pair
from autofi.errors import AutoFIError
from autofi.model.build import shapes_of
from autofi.model.network import Streams
from autofi.operators.base import Shapes, Sizes
from autofi.operators.registry import choices_of
from autofi.space.architecture import Forms
from autofi.space.parameters import label
from autofi.space.resolve import applicable_forms
from autofi.space.search_space import SearchSpace, subsets
from autofi.space.sections import StreamSets
from autofi.supernet.context import HEAD, ProposalContext
from autofi.supernet.pair_screening import PairScore
from autofi.supernet.screening import Screened, screen
from autofi.supernet.supernet import Slot, Supernet


@dataclass(frozen=True)
class SearchSlots:
    """Fitted data with the slots over it.

    Attributes:
        pairs: The pairs that the space asks about.
        forms: The possible representations of every field.
    """

    pairs: Sequence[Pair]
    screened: Screened
    builder: FeatureBuilder
    features: Features
    shapes: Shapes
    forms: Mapping[str, Forms]
    slots: Sequence[Slot]


def build_slots(run: ProposalContext) -> SearchSlots:
    """Screen the pairs that the space asks about, and fit the data that their options read."""
    dataset, space = run.dataset, run.space
    pairs = asked_pairs(dataset, space)
    screened = screen(run, pairs)
    builder, features = build_features(dataset, list(screened.opened), seed=run.seed)
    cross_min_count = max(2, builder.crosses.min_count_within(space.cross_max_rows))
    shapes = shapes_of(builder, min_count=2, cross_min_count=cross_min_count)
    forms = applicable_forms(space, shapes)
    return SearchSlots(
        pairs, screened, builder, features, shapes, forms, _slots_of(space, forms, screened.opened)
    )


def asked_pairs(dataset: EncodedDataset, space: SearchSpace) -> list[Pair]:
    """Return the pairs that the space asks about, by position."""
    names = tuple(dataset.encoder.schema.names)
    pairs = [(names.index(left), names.index(right)) for left, right in space.pair_names(names)]
    if dataset.apart and space.pairs.searched:
        # No validation row has a cell of such a pair that training has seen, so there is nothing to memorize.
        pairs = [pair for pair in pairs if not set(dataset.apart) <= set(pair)]
    return pairs


def _slots_of(
    space: SearchSpace, forms: Mapping[str, Forms], opened: Mapping[Pair, PairScore | None]
) -> list[Slot]:
    """Return the fields, then the open pairs, each with its options from cheap to dear."""
    slots = [
        Slot((position,), subsets(found) if space.fields.search else (found,))
        for position, found in enumerate(forms.values())
    ]
    for pair, score in opened.items():
        slots.append(Slot(pair, tuple(option for option in space.pairs.options if _offered(option, score))))
    return slots


def _offered(option: Forms, score: PairScore | None) -> bool:
    """Return True if the screen keeps an option: only the kind that explains the pair better is trained."""
    if score is None or not option:
        return True
    kinds = choices_of(option)
    return kinds == {"factorize" if score.factorize > score.memorize else "memorize"}


def streams_of(run: ProposalContext, offer: SearchSlots) -> tuple[Streams, ...]:
    """Return the sets of streams that these fields allow; empty where there is no choice."""
    if not isinstance(run.space.streams, StreamSets):
        return ()
    found = []
    # Streams read the fields alone, so no cross has to be built to ask.
    fields = [slot for slot in offer.slots if len(slot.column) == 1]
    with torch.random.fork_rng(devices=[]):
        probe = Supernet(fields, offer.shapes, Sizes(), HEAD)
        for streams in run.space.streams.choices:
            try:
                probe.add_streams(streams, offer.shapes)
            except AutoFIError as error:
                run.progress.note(f"Without {label(streams)} in the supernet: {error}")
            else:
                found.append(streams)
    return tuple(found) if len(found) > 1 else ()
