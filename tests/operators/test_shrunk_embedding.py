"""A shrunk embedding lies between the row of the value and the mean of its field, by how often training saw it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from autofi.operators.base import Operator
from tests.operators.examples import CARDINALITIES, KEPT, SIZES, build, random_features, shapes_for, slots_of

FEATURES = random_features(60)
SHAPES = shapes_for(FEATURES)
COUNTS = [
    [sum(int(code) == value for code in FEATURES.ids[:, field]) for value in range(CARDINALITIES[field])]
    for field in range(len(KEPT))
]


def weights(operator: Operator, name: str) -> np.ndarray:
    return operator.get_parameter(name).detach().numpy().astype(np.float64)


def test_it_is_the_mean_of_value_and_field_weighed_by_rows() -> None:
    slots = slots_of("shrunk_embedding", SHAPES)[::-1]
    operator = build("shrunk_embedding", slots, SHAPES)
    table, means, log_strength = (weights(operator, name) for name in ("table", "means", "log_strength"))
    expected = []
    for ids in FEATURES.ids:
        row: list[float] = []
        start = 0
        for place, (field,) in enumerate(slots):
            code = int(ids[field])
            rows = COUNTS[field][code]
            if code == 1 or code >= KEPT[field]:
                code = 1
                rows = COUNTS[field][1] + sum(COUNTS[field][KEPT[field] :])
            own = rows / (rows + np.exp(log_strength[place]))
            row.extend(own * table[start + code] + (1 - own) * means[place])
            start += KEPT[field]
        expected.append(row)
    out = operator(operator.select(FEATURES)).detach().numpy()
    np.testing.assert_allclose(out, np.array(expected), rtol=1e-5, atol=1e-6)


def test_without_strength_it_is_the_embedding_and_with_all_of_it_the_mean() -> None:
    slots = slots_of("shrunk_embedding", SHAPES)
    operator, plain = build("shrunk_embedding", slots, SHAPES), build("embedding", slots, SHAPES)
    selected = operator.select(FEATURES)
    plain.load_state_dict({"table": operator.get_parameter("table").detach()})
    with torch.no_grad():
        operator.get_parameter("log_strength").fill_(-60.0)
        torch.testing.assert_close(operator(selected), plain(selected))
        operator.get_parameter("log_strength").fill_(60.0)
        means = operator.get_parameter("means").flatten().expand(len(FEATURES), -1)
        torch.testing.assert_close(operator(selected), means)


def test_a_value_that_training_never_saw_is_the_mean_of_its_field() -> None:
    counts = np.array([0, 0, 30, 20, 10, 5, 2])
    shapes = replace(SHAPES, kept=CARDINALITIES, counts=(counts, *SHAPES.counts[1:]))
    operator = build("shrunk_embedding", [(0,)], shapes)
    vectors = operator(torch.arange(7, dtype=torch.int32).unsqueeze(1)).detach()
    means = operator.get_parameter("means").detach()[0]
    assert torch.equal(vectors[0], means) and torch.equal(vectors[1], means)
    # The more rows, the farther from the mean, as a share of the way to its own row.
    way = (vectors - means).norm(dim=1) / (operator.get_parameter("table").detach() - means).norm(dim=1)
    assert (way[2:-1] > way[3:]).all() and 0 < way[6] < way[2] < 1


def test_unseen_values_are_drawn_while_training_as_for_an_embedding() -> None:
    shapes = replace(SHAPES, kept=CARDINALITIES, counts=tuple(np.full(c, 9) for c in CARDINALITIES))
    operator = build("shrunk_embedding", [(0,)], shapes).train()
    known = torch.full((200_000, 1), 2, dtype=torch.int32)
    unseen = operator.eval()(torch.ones(1, 1, dtype=torch.int32))
    drawn = (operator(operator.train().drawn(known)) == unseen).all(1).sum().item()
    assert 280 < drawn < 520  # 400 expected, deviation 20
    assert operator.widths() == (SIZES.embedding_dim,)


def test_without_counts_it_does_not_apply() -> None:
    assert not slots_of("shrunk_embedding", replace(SHAPES, counts=()))
