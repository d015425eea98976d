"""Starts that need no selection: named before anything is asked of the data but its vocabularies."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from autofi.data.dataset import EncodedDataset
from autofi.evaluation.single_point import every_form
from autofi.space.architecture import Architecture
from autofi.space.initial_trials import UNSELECTED
from autofi.space.optuna_distributions import decode, defaults
from autofi.space.parameters import label
from autofi.space.resolve import resolve
from autofi.space.search_space import SearchSpace
from autofi.supernet.proposal import Proposal
from autofi.supernet.variants import (
    ALL_TARGET_ENCODED,
    MOST_TARGET_ENCODED,
    TARGET_ENCODED,
    unselected_fields,
    unselected_pairs,
)

#: The training rows per possible cell that a pair needs to be among the dense ones.
ROWS_PER_CELL = 5

#: The most starts that are trained before the proposal.
BEFORE_PROPOSAL = 3
#: The usual starts: with target encodings of all pairs, and without pairs.
USUAL: tuple[Mapping[str, Any], ...] = (
    {"fields": "all", "pairs": ALL_TARGET_ENCODED},
    {"fields": "all", "pairs": "naive"},
)

#: Parameters of a start by their labels, and its architecture.
Start = tuple[dict[str, Any], Architecture]


def unselected_proposal(dataset: EncodedDataset, space: SearchSpace) -> Proposal:
    """Return the proposal that selects nothing: all forms of fields, and no pair, or all of them alike."""
    forms = every_form(space, dataset)
    names = tuple(dataset.encoder.schema.names)
    if not space.pairs.searched:
        return Proposal.of_one_option(forms, space.pair_names(names), space.pairs.options[0])
    pairs = encodable_pairs(dataset, space)
    encoded = dict.fromkeys(pairs, TARGET_ENCODED) if TARGET_ENCODED in space.pairs.options else {}
    found = Proposal(forms, forms, {}, {}, encoded, ranked_pairs=tuple(pairs))
    return with_dense_pairs(found, dataset, space)


def with_dense_pairs(proposal: Proposal, dataset: EncodedDataset, space: SearchSpace) -> Proposal:
    """Return the proposal with the pairs whose possible cells are few beside the training rows."""
    names, sizes = dataset.encoder.schema.names, dataset.encoder.cardinalities
    most = len(dataset.labels[dataset.parts["train"]]) / ROWS_PER_CELL
    values = dict(zip(names, sizes, strict=True))
    dense = tuple(
        pair for pair in encodable_pairs(dataset, space) if values[pair[0]] * values[pair[1]] <= most
    )
    return dataclasses.replace(proposal, dense_pairs=dense)


def divide_starts(space: SearchSpace) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]:
    """Return the starts of a space that name variants which need no selection, and all others, in their order.

    A space that has none of the former, but target encodings of pairs, has the usual ones.
    """
    free: list[Mapping[str, Any]] = [
        start
        for start in space.starts
        if "products" not in start and all(start.get(key) in names for key, names in UNSELECTED.items())
    ]
    around: list[Mapping[str, Any]] = [start for start in space.starts if start not in free]
    return free or (list(USUAL) if TARGET_ENCODED in space.pairs.options else []), around


def unselected_starts(space: SearchSpace, proposal: Proposal) -> list[Start]:
    """Return the starts of a space that need no selection, in their order.

    A start with a variant that the data does not have is left out, and so is one whose architecture another has. There
    are none where the space has nothing to select.

    Args:
        proposal: The result of `unselected_proposal`.
    """
    fields, pairs = unselected_fields(proposal), unselected_pairs(proposal, space.pairs.options)
    if not (space.fields.search or space.pairs.searched):
        return []
    free, _ = divide_starts(space)
    found: dict[str, Start] = {}
    for start in free:
        named = {key: label(value) for key, value in start.items()}
        if named["pairs"] not in pairs:
            continue
        parameters = {**defaults(space, {}), **named}
        architecture = resolve(
            space,
            fields=fields[named["fields"]],
            pairs=pairs[named["pairs"]],
            parameters=decode(space, parameters),
        )
        found.setdefault(architecture.id, (parameters, architecture))
    return list(found.values())


def encodable_pairs(dataset: EncodedDataset, space: SearchSpace) -> list[tuple[str, str]]:
    """Return all pairs that the space asks about, or none if they are too many to treat all of them alike."""
    names = space.pair_names(tuple(dataset.encoder.schema.names))
    return names if len(names) <= MOST_TARGET_ENCODED else []
