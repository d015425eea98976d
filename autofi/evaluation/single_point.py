"""Spaces with a single architecture."""

from __future__ import annotations

from dataclasses import replace

from autofi.data.dataset import EncodedDataset
from autofi.data.features import Column
from autofi.evaluation.workbench import Workbench
from autofi.model.build import encoded_shapes
from autofi.space.architecture import Architecture, Forms
from autofi.space.load import load_space
from autofi.space.resolve import applicable_forms, resolve
from autofi.space.search_space import SearchSpace


def baseline(name: str, bench: Workbench) -> Architecture:
    """Return the one architecture of a named space for this data."""
    space = load_space(name)
    options = space.pairs.options[0]
    pairs = space.pair_names(bench.names)
    return resolve(
        space,
        fields=every_form(space, bench.dataset),
        pairs=dict.fromkeys(pairs, options) if options else {},
    )


def every_form(space: SearchSpace, dataset: EncodedDataset) -> dict[str, Forms]:
    """Return, by field, all forms of the space that the field can have, before any target encoding is fitted."""
    fields = range(len(dataset.encoder.fields))
    # Every field has target encodings as soon as they are asked for.
    known: dict[Column, tuple[float, float]] = {(field,): (0.0, 1.0) for field in fields}
    shapes = replace(encoded_shapes(dataset.encoder, min_count=1), log_counts=known)
    return applicable_forms(space, shapes)
