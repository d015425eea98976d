"""A mixture of a field's vectors, value by value."""

from __future__ import annotations

import math

import numpy as np
import torch

from autofi.operators.autodis import AutoDis
from tests.operators.examples import NUMBER_BINS, NUMBER_FIELDS, SIZES, build, random_features, shapes_for

FEATURES = random_features(60)
SHAPES = shapes_for(FEATURES)
SKIP, TEMPERATURE, LEAK, META = 0.5, 0.2, 0.01, 16


def weights(operator: torch.nn.Module, slot: int) -> dict[str, np.ndarray]:
    return {name: own.detach().double().numpy()[slot] for name, own in operator.named_parameters()}


def mixed(own: dict[str, np.ndarray], position: float, bins: int) -> list[float]:
    if math.isnan(position):
        return [0.0] * SIZES.embedding_dim
    place = 2 * position / bins - 1
    first = [slope * place + shift for slope, shift in zip(own["slopes"], own["shifts"], strict=True)]
    first = [value if value > 0 else LEAK * value for value in first]
    scores = [
        sum(first[source] * own["mixing"][source, target] for source in range(META)) + SKIP * first[target]
        for target in range(META)
    ]
    grown = [math.exp((score - max(scores)) / TEMPERATURE) for score in scores]
    shares = [value / sum(grown) for value in grown]
    return [
        sum(share * vector[column] for share, vector in zip(shares, own["vectors"], strict=True))
        for column in range(SIZES.embedding_dim)
    ]


def test_it_mixes_the_vectors_of_its_field() -> None:
    slots = [(4,), (2,)]
    operator = build("autodis", slots, SHAPES)
    expected = []
    for numbers in FEATURES.numbers:
        row: list[float] = []
        for slot, (field,) in enumerate(slots):
            column = NUMBER_FIELDS.index(field)
            row += mixed(weights(operator, slot), float(numbers[column]), NUMBER_BINS[column])
        expected.append(row)
    out = operator(operator.select(FEATURES)).detach().numpy()
    np.testing.assert_allclose(out, np.array(expected), atol=1e-4)


def test_a_missing_value_gives_zeros_and_no_gradient() -> None:
    operator = build("autodis", [(2,)], SHAPES)
    out = operator(torch.tensor([[math.nan]]))
    out.sum().backward()
    assert (out == 0).all()
    assert all(parameter.grad is not None and not parameter.grad.any() for parameter in operator.parameters())


def test_it_learns_a_bin_beside_the_middle_of_the_range() -> None:
    """What the shifts of the first layer are for: without them a fifth of the variance remains."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        operator = AutoDis([(2,)], SHAPES, SIZES)
    place = torch.linspace(0, 1, 60)
    wanted = ((place > 0.6) & (place < 0.8)).float()
    selected = place.unsqueeze(1) * NUMBER_BINS[NUMBER_FIELDS.index(2)]
    optimizer = torch.optim.Adam(operator.parameters(), lr=0.03)
    for _ in range(100):
        optimizer.zero_grad()
        (operator(selected).sum(1) - wanted).square().mean().backward()
        optimizer.step()
    remaining = (operator(selected).sum(1) - wanted).square().mean()
    assert remaining < 0.1 * wanted.var()
