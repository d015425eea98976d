"""What streams and operators tell of a row is what they compute with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch

from autofi.operators._gated_table import GatedTable
from autofi.operators.explains import Explains, Knows, RowWeights
from autofi.operators.exponential_neurons import ExponentialNeurons
from autofi.operators.registry import streams
from autofi.operators.streams import Stream
from tests.operators import (
    test_exponential_neurons as arm,
    test_gates as gates,
    test_heterogeneous_attention as hiformer,
    test_self_attention as autoint,
)
from tests.operators.examples import KEPT, build as build_operator, random_features, shapes_for, slots_of
from tests.operators.stream_examples import INPUTS, ROWS, build, codes, vectors, weight

FIELDS = vectors().numpy().astype(np.float64)
telling = pytest.mark.parametrize(
    ("name", "settings"),
    [
        (name, settings)
        for name, kind in streams().items()
        if issubclass(kind, Explains)
        for settings in ({}, *kind.examples)
    ],
)


def told(stream: Stream) -> list[RowWeights]:
    assert isinstance(stream, Explains)
    with torch.no_grad():
        return list(stream.explained(vectors(), codes()))


def softmax(scores: np.ndarray) -> np.ndarray:
    return np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)


@telling
def test_every_row_has_a_weight_for_every_part(name: str, settings: Mapping[str, Any]) -> None:
    found = told(build(name, dict(settings)))
    assert len({each.name for each in found}) == len(found)
    for each in found:
        assert each.weights.shape == (ROWS, len(each.parts))
        assert bool((each.weights >= 0).all())


@pytest.mark.parametrize("own", [False, True])
def test_a_cross_of_arm_net_has_the_fields_its_attention_lets_through(own: bool) -> None:
    stream = build("exponential_neurons", {**arm.SETTINGS, "alpha": 1.7, "own_vectors": own})
    assert isinstance(stream, ExponentialNeurons)
    read = vectors() if stream.own is None else stream.own(vectors(), codes()).detach()
    expected = [arm.shares_of(stream, fields, [1.7, 1.7]) for fields in read.numpy().astype(np.float64)]
    found = told(stream)
    assert [each.name for each in found][2:4] == ["head 1, neuron 3", "head 2, neuron 1"]
    shares = torch.stack([each.weights for each in found], 1)
    np.testing.assert_allclose(shares, expected, rtol=1e-3, atol=1e-4)
    assert all(each.parts == INPUTS.fields for each in found)


@pytest.mark.parametrize("split", ["columns", "fields"])
def test_a_field_of_autoint_gets_the_mean_attention_of_all(split: str) -> None:
    size = autoint.WIDTH // autoint.HEADS
    stream = build(
        "self_attention", {"layers": 2, "width": autoint.WIDTH, "heads": autoint.HEADS, "split": split}
    )
    expected = []
    for fields in FIELDS:
        of_row = []
        for layer in range(2):
            maps = weight(stream, f"layers.{layer}.weight")
            query, key, *_ = (fields @ part.T for part in np.split(maps, 4))
            for head in range(autoint.HEADS):
                places = autoint.places_of(head, len(fields), split)
                scores = np.array([[query[one] @ key[other] for other in places] for one in places])
                by_field = np.zeros(len(fields))
                for (field, _), share in zip(places, softmax(scores / math.sqrt(size)).mean(0), strict=True):
                    by_field[field] += share
                of_row.append(by_field)
            fields = np.maximum(autoint.attended(fields, maps, scaled=True, relu=False, split=split), 0)
        expected.append(of_row)
    found = torch.stack([each.weights for each in told(stream)], 1)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("how", [{"projection": "field"}, {"projection": "composite"}])
def test_a_field_of_hiformer_gets_attention_of_the_task_token(how: dict[str, str]) -> None:
    stream = build("heterogeneous_attention", {**hiformer.SHARED, **how})
    expected = []
    for fields in FIELDS:
        tokens = np.vstack([fields, weight(stream, "task")])
        of_row = []
        for layer, given in enumerate((hiformer.TOKENS, 1)):
            prefix = f"layers.{layer}"
            for head in range(hiformer.HEADS):
                query = hiformer.projected(
                    stream, f"{prefix}.queries", tokens, head, given - 1, hiformer.HEADS, given
                )
                keys = [
                    hiformer.projected(
                        stream, f"{prefix}.keys_values", tokens, head, j, 2 * hiformer.HEADS, hiformer.TOKENS
                    )
                    for j in range(hiformer.TOKENS)
                ]
                of_row.append(softmax(np.array(keys) @ query / math.sqrt(hiformer.SIZE))[:-1])
            tokens = hiformer.layer(stream, prefix, tokens, given)
        expected.append(of_row)
    found = torch.stack([each.weights for each in told(stream)], 1)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_experts_of_a_mixture_get_the_shares_of_its_gates() -> None:
    stream = build("cross_mixture", {"layers": 2, "rank": 3, "experts": 4})
    first, second = told(stream)
    expected = softmax(FIELDS.reshape(ROWS, -1) @ weight(stream, "layers.0.down.weight")[12:].T)
    np.testing.assert_allclose(first.weights, expected, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(second.weights.sum(1), np.ones(ROWS), rtol=1e-5)
    assert first.parts == ("expert 1", "expert 2", "expert 3", "expert 4")
    assert not torch.allclose(first.weights, second.weights)


def test_fields_of_fibinet_have_their_importance() -> None:
    stream = build("bilinear_interactions", {"reduction": 1, "hidden": [5]})
    (found,) = told(stream)
    squeezed = np.maximum(FIELDS.mean(2) @ weight(stream, "weigh.0.weight").T, 0)
    expected = np.maximum(squeezed @ weight(stream, "weigh.2.weight").T, 0)
    np.testing.assert_allclose(found.weights, expected, rtol=1e-3, atol=1e-5)
    assert bool((found.weights == 0).any())


def test_fields_of_finalmlp_have_the_mean_of_their_gates() -> None:
    stream = build("two_streams", {"first": (6,), "second": (2,), "gates": (5,), "first_context": ("item",)})
    first, second = told(stream)
    hidden = FIELDS[:, 1] @ weight(stream, "gates.0.layers.0.weight").T + weight(
        stream, "gates.0.layers.0.bias"
    )
    scores = np.maximum(hidden, 0) @ weight(stream, "gates.0.layers.2.weight").T
    gate = 2 / (1 + np.exp(-scores - weight(stream, "gates.0.layers.2.bias")))
    expected = gate.reshape(ROWS, len(INPUTS.fields), -1).mean(2)
    np.testing.assert_allclose(first.weights, expected, rtol=1e-3, atol=1e-5)
    # Without a context there is one gate for all rows.
    assert bool((second.weights == second.weights[0]).all())
    assert told(build("two_streams", {"first": (6,), "second": (2,)})) == []


@gates.both
def test_gated_values_tell_whether_their_gate_is_open(name: str) -> None:
    operator = gates.gated(name)
    assert isinstance(operator, GatedTable)
    selected = operator.select(gates.FEATURES)
    (learning,) = operator.explained(selected)
    given = operator.vectors(selected + operator.offsets).detach()
    plain = operator.table.detach()[selected + operator.offsets]
    torch.testing.assert_close(learning.weights.detach().unsqueeze(2) * plain, given)
    operator.close(operator.opened())
    (closed,) = operator.explained(selected)
    zero = (operator.vectors(selected + operator.offsets) == 0).all(2)
    assert torch.equal(closed.weights == 0, zero)
    assert 0 < zero.float().mean() < 1
    assert closed.parts == ("color", "size", "price", "tags", "id")


def known(name: str) -> tuple[np.ndarray, list[tuple[int, ...]]]:
    features = random_features(80)
    shapes = shapes_for(features, cross_min_count=3)
    slots = slots_of(name, shapes)
    operator = build_operator(name, slots, shapes)
    assert isinstance(operator, Knows)
    return operator.known(operator.select(features)).numpy(), slots


@pytest.mark.parametrize("name", ["embedding", "embedding_by_number", "unified_embedding", "gated_field"])
def test_a_value_is_known_unless_it_is_rare_or_unseen(name: str) -> None:
    ids = random_features(80).ids
    found, slots = known(name)
    expected = [[code != 1 and code < KEPT[field] for code in ids[:, field]] for (field,) in slots]
    np.testing.assert_array_equal(found.T, expected)
    assert 0 < found.mean() < 1


def test_a_cross_is_known_where_training_saw_its_cell_often_enough() -> None:
    ids = random_features(80).ids
    found, slots = known("memorize_embedding")
    expected = [
        [(ids[:, [left, right]] == row[[left, right]]).all(1).sum() >= 3 for row in ids]
        for left, right in slots
    ]
    np.testing.assert_array_equal(found.T, expected)
    assert 0 < found.mean() < 1


@pytest.mark.parametrize("name", ["statistics", "memorize_statistics"])
def test_statistics_are_known_of_what_was_counted(name: str) -> None:
    features = random_features(80)
    assert features.statistics is not None
    found, slots = known(name)
    counts = np.stack([features.statistics[:, features.columns.index(slot), 0] for slot in slots], 1)
    np.testing.assert_array_equal(found, counts > 0)
    assert 0 < found.mean() < 1
