"""An embedding is a row of the field's own table."""

from __future__ import annotations

import numpy as np

from tests.operators.examples import KEPT, build, random_features, shapes_for, slots_of

FEATURES = random_features(60)
SHAPES = shapes_for(FEATURES)


def test_it_is_the_row_of_the_value() -> None:
    slots = slots_of("embedding", SHAPES)
    operator = build("embedding", slots, SHAPES)
    table = operator.tables()[0].detach().numpy()
    expected = []
    for ids in FEATURES.ids:
        row: list[float] = []
        for (field,) in slots:
            start = sum(KEPT[:field])
            code = ids[field] if ids[field] < KEPT[field] else 1
            row.extend(table[start + code])
        expected.append(row)
    out = operator(operator.select(FEATURES)).detach().numpy()
    np.testing.assert_array_equal(out, np.array(expected, dtype=np.float32))


def test_rare_values_are_out_of_vocabulary() -> None:
    rare = np.flatnonzero(FEATURES.ids[:, 0] >= KEPT[0])
    unknown = np.flatnonzero(FEATURES.ids[:, 0] == 1)
    missing = np.flatnonzero(FEATURES.ids[:, 0] == 0)
    operator = build("embedding", [(0,)], SHAPES)
    out = operator(operator.select(FEATURES)).detach().numpy()
    assert len(rare) and len(unknown) and len(missing)
    assert (out[rare] == out[unknown[0]]).all()
    assert (out[missing] != out[unknown[0]]).all()
