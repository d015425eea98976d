"""The architecture that needs no selection: all forms of all fields, and target encodings of all pairs."""

from __future__ import annotations

from autofi.data.dataset import EncodedDataset
from autofi.evaluation.single_point import every_form
from autofi.space.architecture import Architecture
from autofi.space.resolve import resolve
from autofi.space.search_space import SearchSpace
from autofi.supernet.variants import MOST_TARGET_ENCODED, TARGET_ENCODED


def unselected_architecture(dataset: EncodedDataset, space: SearchSpace) -> Architecture | None:
    """Return the architecture; None if the space has one point or no target encodings of pairs.

    Of more than MOST_TARGET_ENCODED pairs none is encoded, as nothing tells yet which ones are worth it.
    """
    if not (space.fields.search or space.pairs.searched) or TARGET_ENCODED not in space.pairs.options:
        return None
    pairs = encodable_pairs(dataset, space)
    return resolve(
        space,
        fields=every_form(space, dataset),
        pairs=dict.fromkeys(pairs, TARGET_ENCODED),
    )


def encodable_pairs(dataset: EncodedDataset, space: SearchSpace) -> list[tuple[str, str]]:
    """Return all pairs that the space asks about, or none if they are too many to encode all of them."""
    names = space.pair_names(tuple(dataset.encoder.schema.names))
    return names if len(names) <= MOST_TARGET_ENCODED else []
