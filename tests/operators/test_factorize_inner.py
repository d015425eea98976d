"""The inner product of two embeddings."""

from __future__ import annotations

import numpy as np

from tests.operators.examples import KEPT, build, random_features, shapes_for

FEATURES = random_features(60)
SHAPES = shapes_for(FEATURES)
SLOTS = [(1, 3), (0, 4), (0, 1)]


def test_it_multiplies_second_embeddings_of_both_fields() -> None:
    operator = build("factorize_inner", SLOTS, SHAPES)
    fields = [0, 1, 3, 4]
    starts = {field: sum(KEPT[f] for f in fields[:position]) for position, field in enumerate(fields)}
    table = operator.tables()[0].detach().numpy().astype(np.float64)
    assert len(table) == sum(KEPT[field] for field in fields)
    expected = []
    for ids in FEATURES.ids:
        row: list[float] = []
        for pair in SLOTS:
            left, right = (
                table[starts[field] + (ids[field] if ids[field] < KEPT[field] else 1)] for field in pair
            )
            row.append(sum(a * b for a, b in zip(left, right, strict=True)))
        expected.append(row)
    out = operator(operator.select(FEATURES)).detach().numpy()
    np.testing.assert_allclose(out, np.array(expected), rtol=1e-4, atol=1e-6)


def test_pairs_of_one_field_share_its_embedding() -> None:
    operator = build("factorize_inner", SLOTS, SHAPES)
    alone = build("factorize_inner", SLOTS[:1], SHAPES)
    assert operator.num_parameters(SLOTS, SHAPES, operator.sizes) < sum(
        alone.num_parameters([slot], SHAPES, operator.sizes) for slot in SLOTS
    )
