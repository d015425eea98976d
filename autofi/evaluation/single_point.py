"""Spaces with a single architecture."""

from __future__ import annotations

from dataclasses import replace

from autofi.data.features import Column
from autofi.evaluation.workbench import Workbench
from autofi.model.build import encoded_shapes
from autofi.space.architecture import Architecture
from autofi.space.load import load_space
from autofi.space.resolve import applicable_forms, resolve


def baseline(name: str, bench: Workbench) -> Architecture:
    """Return the one architecture of a named space for this data."""
    space = load_space(name)
    names = bench.names
    options = space.pairs.options[0]
    pairs = dict.fromkeys(space.pair_names(names), options) if options else {}
    # Every field has target encodings as soon as they are asked for.
    known: dict[Column, tuple[float, float]] = {(field,): (0.0, 1.0) for field in range(len(names))}
    shapes = replace(encoded_shapes(bench.dataset.encoder, min_count=1), log_counts=known)
    return resolve(space, fields=applicable_forms(space, shapes), pairs=pairs)
