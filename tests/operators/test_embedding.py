"""An embedding is a row of the field's own table."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from autofi.operators._lookup import UNKNOWN_SHARE
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


def test_where_no_value_is_rare_unseen_values_are_drawn_while_training() -> None:
    shapes = replace(SHAPES, kept=(SHAPES.cardinalities[0], *SHAPES.kept[1:]))
    operator = build("embedding", [(0,), (3,)], shapes).train()
    known = torch.full((200_000, 2), 2, dtype=torch.int32)
    rows = operator(operator.drawn(known)).detach().view(len(known), 2, -1)
    unseen = operator.tables()[0].detach()[1]
    share = (rows[:, 0] == unseen).all(1).double().mean().item()
    assert share == pytest.approx(UNKNOWN_SHARE, rel=0.3)  # 400 rows expected, deviation 20
    assert (rows[:, 1] == rows[0, 1]).all()  # here rare values train the row of the unseen
    assert torch.equal(operator.eval().drawn(known), known)
    assert (operator(known).view(len(known), 2, -1)[:, 0] != unseen).any(1).all()
