"""A gate per value."""

from __future__ import annotations

import torch

from autofi.operators.gated_embedding import GatedEmbedding
from tests.operators.examples import KEPT, build, random_features, shapes_for

SHAPES = shapes_for(random_features(20))


def test_every_value_has_a_gate_of_its_own() -> None:
    operator = build("gated_embedding", [(0,), (2,)], SHAPES)
    assert isinstance(operator, GatedEmbedding) and operator.gates is not None
    assert operator.gates.shape == (KEPT[0] + KEPT[2], 1)
    values = torch.arange(KEPT[0] + KEPT[2])
    assert torch.equal(operator.by_row(values), values)
    assert torch.equal(operator.by_gate(values), values)
