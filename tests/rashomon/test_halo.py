"""Halos: on the circle where effects add up, off it where they do not."""

from __future__ import annotations

import json

import numpy as np
import pytest

from autofi.errors import ConfigError
from autofi.rashomon.halo import Halo, bands, halo
from autofi.rashomon.masks import Neighbours
from tests.rashomon.networks import NAMES, additive, built, interacting


@pytest.fixture(scope="module")
def product() -> Neighbours:
    return Neighbours(*built(interacting()), budget=0.02)


def test_a_sum_over_fields_lies_on_the_circle_exactly() -> None:
    around = Neighbours(*built(additive()), budget=0.02)
    for group in ((0, 1), (2, 3), (0, 1, 2)):
        found = halo([around], group, NAMES, steps=4)
        assert found.deviation < 1e-4
        assert [point.loss.mean for point in found.points] != pytest.approx(0.0, abs=1e-3)


def test_a_product_leaves_the_circle_and_no_other_pair_does(product: Neighbours) -> None:
    found = {pair: halo([product], pair, NAMES, steps=4) for pair in ((0, 1), (0, 2), (0, 3), (1, 3), (2, 3))}
    assert found[2, 3].deviation > 0.1
    assert all(found[pair].deviation < 1e-4 for pair in found if pair != (2, 3))
    widths = bands(list(found.values()))
    assert found[2, 3].on_circle(widths) < 0.5
    assert found[0, 1].on_circle(widths) == 1.0


@pytest.mark.parametrize(
    ("steps", "group", "points"), [(10, (0, 1), 36), (4, (0, 1), 12), (4, (0, 1, 2), 24)]
)
def test_the_budget_is_dealt_out_in_every_way(
    product: Neighbours, steps: int, group: tuple[int, ...], points: int
) -> None:
    found = halo([product], group, NAMES, steps=steps)
    directions = [point.direction for point in found.points]
    assert len({*directions}) == points
    assert [sum(map(abs, direction)) for direction in directions] == pytest.approx([1.0] * points)
    for point in found.points:
        assert all((f - 1) * d >= 0 for f, d in zip(point.factors, point.direction, strict=True))


def test_against_the_sum_of_losses_the_interaction_is_what_is_left(product: Neighbours) -> None:
    found = halo([product], (2, 3), NAMES, steps=4, counterpart="losses")
    for point in found.points:
        left, right = point.factors
        expected = (
            product.excess({2: left, 3: right}) - product.excess({2: left}) - product.excess({3: right})
        )
        assert point.interaction.mean == pytest.approx(expected, abs=1e-9)
        assert point.loss.mean == pytest.approx(product.excess({2: left, 3: right}), abs=1e-9)


def test_several_seeds_are_averaged(product: Neighbours) -> None:
    other = Neighbours(product.network, built(interacting())[1], budget=0.04)
    both, one, two = (
        halo(models, (2, 3), NAMES, steps=4) for models in ([product, other], [product], [other])
    )
    assert both.budget == pytest.approx(0.03)
    for mean, left, right in zip(both.points, one.points, two.points, strict=True):
        assert mean.loss.mean == pytest.approx(np.mean([left.loss.mean, right.loss.mean]))


def test_a_halo_is_read_as_it_was_written(product: Neighbours) -> None:
    found = halo([product], (2, 3), NAMES, steps=4)
    again = Halo.from_json(json.loads(json.dumps(found.to_json())))
    assert again.to_json() == found.to_json()
    assert again.names == ("c", "d")


def test_what_cannot_be_dealt_out_is_refused(product: Neighbours) -> None:
    with pytest.raises(ConfigError, match="steps is 3; give a halo of 3 fields 4 or more"):
        halo([product], (0, 1, 2), NAMES, steps=3)
    with pytest.raises(ConfigError, match="did you mean 'losses'"):
        halo([product], (0, 1), NAMES, steps=4, counterpart="loses")  # type: ignore[arg-type]
