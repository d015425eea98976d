"""A gate per field."""

from __future__ import annotations

import torch

from autofi.operators.gated_field import GatedField
from tests.operators.examples import KEPT, build, random_features, shapes_for

SHAPES = shapes_for(random_features(20))


def test_all_values_of_a_field_share_its_gate() -> None:
    operator = build("gated_field", [(0,), (2,)], SHAPES)
    assert isinstance(operator, GatedField) and operator.gates is not None
    assert operator.gates.shape == (2, 1)
    assert operator.by_row(torch.tensor([True, False])).tolist() == [True] * KEPT[0] + [False] * KEPT[2]
    assert operator.by_gate(torch.ones(KEPT[0] + KEPT[2])).tolist() == [KEPT[0], KEPT[2]]
