"""A bag is the mean of its tokens' vectors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from autofi.operators._lookup import UNKNOWN_SHARE
from tests.operators.examples import BAGS, build, random_features, shapes_for

FEATURES = random_features(60)
SHAPES = shapes_for(FEATURES)


def test_it_is_the_mean_over_the_tokens() -> None:
    operator = build("bag", [(3,)], SHAPES)
    table = operator.tables()[0].detach().numpy().astype(np.float64)
    expected = []
    for tokens in FEATURES.bags["tags"]:
        vectors = [table[token] for token in tokens if token >= 0]
        expected.append(sum(vectors) / len(vectors) if vectors else np.zeros(table.shape[1]))
    assert any(not (tokens >= 0).any() for tokens in FEATURES.bags["tags"])
    out = operator(operator.select(FEATURES)).detach().numpy()
    np.testing.assert_allclose(out, np.array(expected), rtol=1e-5, atol=1e-6)


def test_order_and_padding_do_not_matter() -> None:
    operator = build("bag", [(3,)], SHAPES)
    bag = FEATURES.bags["tags"]
    longer = np.concatenate([np.full_like(bag, -1), bag[:, ::-1]], axis=1)
    changed = operator(operator.select(replace(FEATURES, bags={"tags": longer})))
    np.testing.assert_allclose(
        changed.detach(), operator(operator.select(FEATURES)).detach(), rtol=1e-5, atol=1e-6
    )


def test_bags_of_different_length_lie_side_by_side() -> None:
    rng = np.random.default_rng(1)
    shapes = replace(SHAPES, bags={**BAGS, 0: ("words", 9)})
    words = rng.integers(0, 9, (60, 2)).astype(np.int32)
    features = replace(FEATURES, bags={**FEATURES.bags, "words": words})
    both = build("bag", [(0,), (3,)], shapes)
    out = both(both.select(features)).split(list(both.widths()), 1)
    for position, piece in enumerate(out):
        one = both.subset([position])
        np.testing.assert_allclose(piece.detach(), one(one.select(features)).detach(), rtol=1e-6)


def test_the_row_of_unseen_tokens_is_trained() -> None:
    operator = build("bag", [(3,)], SHAPES).train()
    tokens = torch.full((200_000, 1, 3), -1, dtype=torch.int32)
    tokens[:, 0, 0] = 2
    operator(tokens).sum().backward()
    gradient = operator.tables()[0].grad
    assert gradient is not None
    trained = gradient[:, 0].nonzero().flatten().tolist()
    assert trained == [1, 2]
    assert gradient[1, 0].item() == pytest.approx(UNKNOWN_SHARE * len(tokens), rel=0.3)
