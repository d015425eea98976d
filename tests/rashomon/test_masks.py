"""Masked models: the network itself at 1, blind to a field at 0, and never worse than they are allowed to be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from autofi.importance.model_reliance import logits_of, reliances
from autofi.importance.permuted_rows import Shuffles, draw_rows
from autofi.rashomon.masks import DOWN, UP, Neighbours, masked
from autofi.readers import open_table
from tests.export.models import Model, make_model, make_unseen
from tests.rashomon.networks import NAMES, additive, built, interacting


@pytest.fixture(scope="module")
def model() -> Model:
    """Every operator, streams with tables of their own; boosted trees, which no mask reaches, weigh nothing."""
    found = make_model()
    assert found.network.boosted_weights is not None
    found.network.boosted_weights.copy_(torch.tensor([1.0, 0.0, 0.0]))
    return replace(found, builder=replace(found.builder, boosted=None))


@pytest.fixture(scope="module")
def shuffles(model: Model) -> Shuffles:
    (encoded,) = model.builder.encoder.transform(open_table(make_unseen(60)))
    labels = (np.arange(60) % 2).astype(np.float32)
    return Shuffles(draw_rows(replace(encoded, labels=labels), size=30, repeats=2, seed=0), model.builder)


def test_factors_of_one_are_the_network_itself(model: Model, shuffles: Shuffles) -> None:
    selected = model.network.select(shuffles.features())
    ones = dict.fromkeys(range(len(model.builder.encoder.schema.names)), 1.0)
    same = logits_of(masked(model.network, ones), selected, len(shuffles.draw))
    assert same == pytest.approx(logits_of(model.network, selected, len(shuffles.draw)), abs=1e-6)


def test_a_field_times_zero_is_read_nowhere(model: Model, shuffles: Shuffles) -> None:
    for place in range(len(model.builder.encoder.schema.names)):
        blind = masked(model.network, {place: 0.0})
        phi, seen = reliances([blind, model.network], model.network, shuffles, [(place,)])
        assert phi[(place,)] == pytest.approx(0.0, abs=1e-7)
        assert np.abs(seen[(place,)]).max() > 1e-6


def test_a_factor_multiplies_what_a_field_adds_to_the_logit() -> None:
    network, shuffles = built(additive())
    selected = network.select(shuffles.features())
    rows = len(shuffles.draw)
    whole, without, twice = (
        logits_of(masked(network, {1: factor}), selected, rows) for factor in (1.0, 0.0, 2.0)
    )
    assert twice - whole == pytest.approx(whole - without, abs=1e-5)
    assert np.abs(whole - without).max() > 0.1


def test_a_mask_leaves_the_network_as_it_was(model: Model, shuffles: Shuffles) -> None:
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    logits_of(masked(model.network, {0: 0.5}), model.network.select(shuffles.features()), len(shuffles.draw))
    assert all(torch.equal(value, before[name]) for name, value in model.network.state_dict().items())


def test_a_factor_costs_its_share_of_the_budget_and_never_more() -> None:
    network, shuffles = built(interacting())
    around = Neighbours(network, shuffles, budget=0.02)
    for place in range(len(NAMES)):
        for direction in (UP, DOWN):
            ways = []
            for share in (0.25, 0.5, 1.0):
                factor = around.factor(place, direction, share)
                ways.append(abs(factor - 1.0))
                cost = around.excess({place: factor})
                assert cost <= share * 0.02
                assert ways[-1] == 1.0 or cost > 0.8 * share * 0.02
            assert ways == sorted(ways)
            assert (factor - 1.0) * direction >= 0


def test_fields_masked_together_are_drawn_back_into_the_budget() -> None:
    network, shuffles = built(interacting())
    around = Neighbours(network, shuffles, budget=0.001)
    found = around.within({2: 2.0, 3: 0.0})
    assert around.excess(found) <= 0.001
    assert 1.0 <= found[2] < 2.0
    assert found[2] - 1.0 == pytest.approx(1.0 - found[3])
