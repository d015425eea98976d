"""A contribution is the logit less the logit of the network without that part."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor

from autofi.data.features import Column
from autofi.data.vocabulary import OUT_OF_VOCABULARY
from autofi.explanation.masking import Contributions, Removal, contributions, masked_logits
from autofi.model.network import Network
from autofi.operators.base import Operator
from autofi.operators.explains import Explains, Knows
from autofi.operators.registry import operators, streams
from autofi.space.head_config import HeadSizes
from tests.model.test_network import FEATURES, SHAPES, everything, make
from tests.operators.examples import slots_of

LINEAR = HeadSizes("linear", hidden=())
MLP = HeadSizes("mlp", hidden=(6, 4), batch_norm=True)
ENSEMBLE = HeadSizes("mlp", hidden=(6, 4), ensemble=3)
FIELDS = range(len(SHAPES.names))


def explained(network: Network) -> Contributions:
    return contributions(network, network.select(FEATURES))


def summed(found: Contributions) -> Tensor:
    return found.baseline + sum((*found.own.values(), *found.pairs.values()), torch.zeros(len(FEATURES)))


def operator_of(network: Network, name: str) -> Operator:
    operator = network.operators[name]
    assert isinstance(operator, Operator)
    return operator


def without(network: Network, slots: set[Column]) -> Tensor:
    """The network with the first weights behind these slots set to zero."""
    cut = copy.deepcopy(network)
    weight = cut.head.first_weight()
    start = 0
    with torch.no_grad():
        for name in cut.operators:
            operator = operator_of(cut, name)
            for slot, width in zip(operator.slots, operator.widths(), strict=True):
                if slot in slots:
                    weight[:, start : start + width] = 0
                start += width
    assert start == weight.shape[1]
    return cut(cut.select(FEATURES))


@pytest.mark.parametrize("head", [LINEAR, HeadSizes("sum", hidden=())], ids=["linear", "sum"])
@pytest.mark.parametrize("field_sum", [False, True])
def test_contributions_of_an_additive_network_and_its_bias_add_up_to_the_logit(
    head: HeadSizes, field_sum: bool
) -> None:
    network = make(everything(), head, field_sum=field_sum)
    found = explained(network)
    torch.testing.assert_close(found.logits, network(network.select(FEATURES)), rtol=0, atol=1e-12)
    torch.testing.assert_close(found.baseline, network.head.bias.detach().expand(len(FEATURES)))
    torch.testing.assert_close(summed(found), found.logits, rtol=0, atol=1e-9)


def test_parts_of_an_additive_stream_add_up_too() -> None:
    network = make(everything(), LINEAR, streams={"linear": {}})
    found = explained(network)
    torch.testing.assert_close(summed(found), found.logits, rtol=0, atol=1e-9)


@pytest.mark.parametrize("head", [LINEAR, MLP, ENSEMBLE], ids=["linear", "mlp", "ensemble"])
def test_masking_is_the_network_with_those_weights_set_to_zero(head: HeadSizes) -> None:
    network = make(everything(), head)
    found = explained(network)
    slots = {slot for layout in everything().values() for slot in layout}
    torch.testing.assert_close(found.baseline, without(network, slots), rtol=0, atol=1e-10)
    for field in FIELDS:
        expected = found.logits - without(network, {(field,)})
        torch.testing.assert_close(found.own[field], expected, rtol=0, atol=1e-10)
        readers = {slot for slot in slots if field in slot}
        expected = found.logits - without(network, readers)
        torch.testing.assert_close(found.fields[field], expected, rtol=0, atol=1e-10)
    for pair, contribution in found.pairs.items():
        expected = found.logits - without(network, {pair})
        torch.testing.assert_close(contribution, expected, rtol=0, atol=1e-10)
    assert set(found.pairs) == {slot for slot in slots if len(slot) == 2}


def test_a_field_contributes_what_streams_make_of_its_vector() -> None:
    network = make({"embedding": slots_of("embedding", SHAPES)}, LINEAR, streams={"fm": {}})
    found = explained(network)
    embedding = operator_of(network, "embedding")
    for field in FIELDS:
        cut = copy.deepcopy(network)
        with torch.no_grad():
            start = sum(SHAPES.kept[:field])
            cut.get_parameter("operators.embedding.table")[start : start + SHAPES.kept[field]] = 0
        expected = found.logits - cut(cut.select(FEATURES))
        torch.testing.assert_close(found.own[field], expected, rtol=0, atol=1e-10)
    assert embedding.slots == tuple((field,) for field in FIELDS)


def test_a_masked_field_is_an_unseen_value_to_a_stream_with_a_table_of_its_own() -> None:
    layout = {"embedding": slots_of("embedding", SHAPES)}
    network = make(layout, HeadSizes("none", hidden=()), streams={"linear": {}})
    weights = network.get_parameter("streams.linear.table").detach().flatten()
    codes = network.select(FEATURES)["embedding"].long()
    for field, contribution in explained(network).own.items():
        start = sum(SHAPES.kept[:field])
        expected = weights[start + codes[:, field]] - weights[start + OUT_OF_VOCABULARY]
        torch.testing.assert_close(contribution, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("head", [LINEAR, ENSEMBLE], ids=["linear", "ensemble"])
def test_a_stream_contributes_what_is_missing_without_it(head: HeadSizes) -> None:
    network = make(everything(), head, streams={"fm": {}, "linear": {}})
    found = explained(network)
    assert set(found.streams) == {"fm", "linear"}
    for name, contribution in found.streams.items():
        cut = copy.deepcopy(network)
        del cut.streams[name]
        expected = found.logits - cut(cut.select(FEATURES))
        torch.testing.assert_close(contribution, expected, rtol=0, atol=1e-10)
        assert contribution.abs().min() > 0


def test_rows_may_be_cut_into_passes_anywhere() -> None:
    network = make(everything(), MLP, streams={"fm": {}})
    removals = [Removal(), Removal(frozenset({(0,), (0, 1)})), Removal(stream="fm")]
    selected = network.select(FEATURES)
    whole = masked_logits(network, selected, removals)
    assert whole.shape == (len(FEATURES), 3)
    torch.testing.assert_close(masked_logits(network, selected, removals, rows=7), whole)


@pytest.mark.parametrize("name", operators())
def test_every_operator_can_be_explained(name: str) -> None:
    layout = {"embedding": slots_of("embedding", SHAPES)} | {name: slots_of(name, SHAPES)}
    network = make(layout, LINEAR)
    selected = network.select(FEATURES)
    found = explained(network)
    torch.testing.assert_close(summed(found), found.logits, rtol=0, atol=1e-9)
    operator = operator_of(network, name)
    if isinstance(operator, Knows):
        known = operator.known(selected[name])
        assert known.shape == (len(FEATURES), len(operator.slots))
        assert known.dtype == torch.bool
    if isinstance(operator, Explains):
        for weights in operator.explained(selected[name]):
            assert weights.weights.shape == (len(FEATURES), len(weights.parts))


@pytest.mark.parametrize("name", streams())
def test_every_stream_can_be_explained(name: str) -> None:
    network = make({"embedding": slots_of("embedding", SHAPES)}, MLP, streams={name: {}}).float()
    selected = network.select(FEATURES)
    found = explained(network)
    torch.testing.assert_close(found.logits.float(), network(selected), rtol=1e-4, atol=1e-4)
    assert set(found.streams) == {name}
    assert all(part.isfinite().all() for part in (*found.own.values(), *found.streams.values()))
