"""What a network is built from: a cap on all memorized crosses, and the training rows of every value."""

from __future__ import annotations

import numpy as np
import pytest

from autofi.data.feature_builder import build_features
from autofi.model.build import build_network
from autofi.space.architecture import Architecture
from tests.data.test_folds import ROWS, encoded, split_by
from tests.visits import visits

PAIRS = {("user", "hour"): ("memorize_embedding",), ("item", "hour"): ("memorize_embedding",)}


@pytest.mark.parametrize("cap", [2, 100, 1000, None])
def test_the_least_frequent_cells_share_the_row_of_the_unknown(cap: int | None) -> None:
    dataset = encoded(split_by(visits(ROWS)))
    builder, features = build_features(dataset, [(0, 1), (0, 2), (1, 2)])
    architecture = Architecture(fields={"user": ("embedding",)}, pairs=PAIRS, cross_max_rows=cap)
    network = build_network(architecture, builder, seed=0)
    memorize = network.operators["memorize_embedding"]
    rows = memorize.slot_rows
    free = build_network(Architecture(fields=architecture.fields, pairs=PAIRS), builder, seed=0)
    full = free.operators["memorize_embedding"].slot_rows
    assert sum(full) > 1000
    assert sum(rows) <= (cap or sum(full))
    assert (rows == full) == (cap is None)
    chosen = memorize.select(features).numpy()
    counts = [builder.crosses.counts(pair) for pair in memorize.slots]
    seen = free.operators["memorize_embedding"].select(features).numpy()
    for slot, size in enumerate(rows):
        assert chosen[:, slot].max() == size - 1
        # What was merged into the unknown is never more frequent than what stayed.
        merged = counts[slot][np.unique(seen[(chosen[:, slot] == 0) & (seen[:, slot] > 0), slot])]
        kept = counts[slot][1:size]
        assert not len(merged) or not len(kept) or merged.max() < kept.min()


def test_operators_are_told_the_training_rows_of_every_value() -> None:
    dataset = encoded(split_by(visits(ROWS)))
    builder, _ = build_features(dataset, [])
    fields = dict.fromkeys(dataset.encoder.schema.names, ("shrunk_embedding",))
    network = build_network(Architecture(fields=fields, min_count=1), builder, seed=0)
    ids = dataset.ids[dataset.parts["train"]]
    counts = [
        np.bincount(column, minlength=cardinality)
        for column, cardinality in zip(ids.T, builder.encoder.cardinalities, strict=True)
    ]
    found = network.operators["shrunk_embedding"].counts.numpy()
    np.testing.assert_array_equal(found, np.concatenate(counts))
