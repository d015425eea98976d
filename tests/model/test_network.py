"""A network is its operators side by side and a head over them."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from autofi.data.features import Column
from autofi.errors import InvalidArchitectureError
from autofi.model.network import Network, Streams
from autofi.operators.base import Sizes
from autofi.operators.registry import operators, vector_operators
from autofi.space.head_config import HeadSizes
from tests.operators.examples import KEPT, SIZES, random_features, shapes_for, slots_of

FEATURES = random_features(50)
SHAPES = shapes_for(FEATURES)
HEADS = [
    HeadSizes("sum", hidden=()),
    HeadSizes("linear", hidden=()),
    HeadSizes("mlp", hidden=(6,)),
    HeadSizes("mlp", hidden=(6, 4), dropout=0.3, batch_norm=True),
]
every_head = pytest.mark.parametrize("head", HEADS, ids=lambda r: f"{r.name}{len(r.hidden)}")
field_sums = pytest.mark.parametrize("field_sum", [False, True])

Layout = dict[str, list[Column]]


def everything() -> Layout:
    return {name: slots_of(name, SHAPES) for name in operators()}


def random_layout(seed: int) -> Layout:
    rng = np.random.default_rng(seed)
    layout = {name: [slot for slot in slots if rng.random() < 0.4] for name, slots in everything().items()}
    return layout if any(layout.values()) else {"embedding": [(0,)]}


def randomise(network: Network, seed: int) -> None:
    """Weights and running statistics as after a training, in double precision."""
    generator = torch.Generator().manual_seed(seed)
    network.double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm1d):
                assert module.running_mean is not None and module.running_var is not None
                module.running_mean.normal_(generator=generator)
                module.running_var.uniform_(0.5, 2.0, generator=generator)


def make(
    layout: Layout,
    head: HeadSizes,
    *,
    streams: Streams | None = None,
    field_sum: bool = False,
    seed: int = 0,
) -> Network:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Network(layout, SHAPES, SIZES, head, streams=streams, field_sum=field_sum, bias=-1.0)
    randomise(network, seed)
    return network.eval()


def mask_of(network: Network, layout: Layout) -> dict[str, Tensor]:
    return {
        name: torch.tensor([float(slot in layout.get(name, [])) for slot in operator.slots])
        for name, operator in network._operators()
    }


@every_head
@field_sums
@pytest.mark.parametrize("seed", range(4))
def test_keeping_slots_equals_masking_the_others(head: HeadSizes, field_sum: bool, seed: int) -> None:
    network = make(everything(), head, field_sum=field_sum, seed=seed)
    layout = random_layout(seed)
    small = network.keep(layout).double()
    masked = network(network.select(FEATURES), mask_of(network, layout))
    torch.testing.assert_close(small(small.select(FEATURES)), masked, rtol=1e-10, atol=1e-10)
    assert not small.training
    assert {name: sorted(op.slots) for name, op in small._operators()} == {
        n: s for n, s in layout.items() if s
    }


@field_sums
def test_what_is_kept_is_a_copy_of_exactly_its_weights(field_sum: bool) -> None:
    network = make(everything(), HEADS[3], field_sum=field_sum)
    layout = random_layout(1)
    small = network.keep(layout)
    built = make(layout, HEADS[3], field_sum=field_sum)
    assert {name: tuple(p.shape) for name, p in small.state_dict().items()} == {
        name: tuple(p.shape) for name, p in built.state_dict().items()
    }
    assert small.num_parameters() == built.num_parameters() < network.num_parameters()
    before = network(network.select(FEATURES))
    with torch.no_grad():
        for parameter in small.parameters():
            parameter.zero_()
    assert torch.equal(network(network.select(FEATURES)), before)


@field_sums
def test_a_kept_network_can_be_narrowed_again(field_sum: bool) -> None:
    network = make(everything(), HEADS[2], field_sum=field_sum)
    middle = {name: slots[:3] for name, slots in everything().items()}
    inner = {name: slots[1:2] for name, slots in middle.items()}
    twice, once = network.keep(middle).keep(inner).double(), network.keep(inner).double()
    selected = once.select(FEATURES)
    torch.testing.assert_close(twice(selected), once(selected), rtol=1e-10, atol=1e-10)


def test_the_order_of_the_wanted_slots_does_not_matter() -> None:
    network = make(everything(), HEADS[2], field_sum=False)
    layout = random_layout(2)
    turned = {name: slots[::-1] for name, slots in reversed(layout.items())}
    one, other = network.keep(layout), network.keep(turned)
    assert torch.equal(one(one.select(FEATURES)), other(other.select(FEATURES)))


def test_slots_it_has_not_cannot_be_kept() -> None:
    network = make({"embedding": [(0,), (1,)], "factorize_inner": [(0, 1)]}, HEADS[2], field_sum=False)
    with pytest.raises(InvalidArchitectureError, match=r"no 'embedding' at \(2,\)"):
        network.keep({"embedding": [(0,), (2,)]})
    with pytest.raises(InvalidArchitectureError, match="did you mean 'factorize_inner'"):
        network.keep({"factorize_iner": [(0, 1)]})


def test_field_sum_adds_pair_vectors_to_both_fields() -> None:
    layout = everything()
    side_by_side = make(layout, HEADS[2], field_sum=False)
    summed = make(layout, HEADS[2], field_sum=True)
    summed.operators.load_state_dict(side_by_side.operators.state_dict())
    wide = side_by_side.columns(side_by_side.select(FEATURES))
    narrow = summed.columns(summed.select(FEATURES))
    wide_start = narrow_start = 0
    for _, operator in summed._operators():
        pieces = wide[:, wide_start : wide_start + sum(operator.widths())]
        wide_start += pieces.shape[1]
        if operator.arity == 1:
            expected = pieces
        else:
            width = operator.widths()[0]
            expected = torch.zeros(len(FEATURES), 5 * width, dtype=wide.dtype)
            for slot, vector in zip(operator.slots, pieces.split(width, 1), strict=True):
                for field in slot:
                    expected[:, field * width : (field + 1) * width] += vector
        torch.testing.assert_close(narrow[:, narrow_start : narrow_start + expected.shape[1]], expected)
        narrow_start += expected.shape[1]
    assert (wide_start, narrow_start) == (wide.shape[1], narrow.shape[1])
    assert summed.num_parameters() < side_by_side.num_parameters()


@every_head
@field_sums
def test_the_first_layer_is_the_sum_of_what_operators_bring(head: HeadSizes, field_sum: bool) -> None:
    network = make(everything(), head, field_sum=field_sum)
    selected = network.select(FEATURES)
    columns = network.columns(selected)
    first = columns.sum(1, keepdim=True) if network.head.first is None else network.head.first(columns)
    total = network.head.first_bias().expand_as(first)
    for name, operator in network._operators():
        weight = network.first_weight(name)
        assert weight.shape == (first.shape[1], sum(operator.widths()))
        total = total + operator(selected[name]).double() @ weight.T
    torch.testing.assert_close(total, first, rtol=1e-9, atol=1e-9)


@every_head
@field_sums
def test_the_rest_finishes_from_the_first_layer(head: HeadSizes, field_sum: bool) -> None:
    network = make(everything(), head, field_sum=field_sum)
    selected = network.select(FEATURES)
    first = network.columns(selected) @ network.head.first_weight().T + network.head.first_bias()
    torch.testing.assert_close(network.head.rest(first), network(selected), rtol=1e-9, atol=1e-9)


def test_with_inner_products_and_a_sum_it_is_the_factorization_machine() -> None:
    pairs = list(combinations(range(5), 2))
    layout: Layout = {"embedding": [(f,) for f in range(5)], "factorize_inner": [*pairs]}
    network = Network(
        layout, SHAPES, Sizes(embedding_dim=1, factor_dim=3), HeadSizes("sum", hidden=()), bias=0.7
    )
    with torch.no_grad():
        for table in network.tables():
            table.normal_(generator=torch.Generator().manual_seed(3))
    linear, factors = (table.detach().double().numpy() for table in network.tables())
    out = network.eval()(network.select(FEATURES)).detach().numpy()
    starts = np.cumsum([0, *KEPT[:-1]])
    for row, ids in enumerate(FEATURES.ids):
        rows = [
            start + (code if code < kept else 1) for start, code, kept in zip(starts, ids, KEPT, strict=True)
        ]
        # Rendle's identity: half of (square of the sum minus sum of the squares).
        vectors = factors[rows]
        products = 0.5 * (vectors.sum(0) ** 2 - (vectors**2).sum(0)).sum()
        assert out[row] == pytest.approx(0.7 + linear[rows].sum() + products, rel=1e-4, abs=1e-5)


def test_tables_are_counted_in_bytes() -> None:
    network = Network({"embedding": [(0,)], "statistics": [(1,)]}, SHAPES, SIZES, HEADS[1])
    assert network.table_bytes() == 4 * KEPT[0] * SIZES.embedding_dim
    assert network.num_parameters() == KEPT[0] * SIZES.embedding_dim + 1 + SIZES.embedding_dim + 2 + 1


def test_no_rows_give_no_logits() -> None:
    network = make(everything(), HEADS[3], field_sum=True)
    assert network(network.select(FEATURES.rows(slice(0, 0)))).shape == (0,)


@pytest.mark.parametrize("head", [HeadSizes("none", hidden=()), *HEADS], ids=lambda r: r.name)
def test_streams_add_their_logits(head: HeadSizes) -> None:
    layout = {"embedding": slots_of("embedding", SHAPES), "bag": [(3,)], "statistics": [(1,)]}
    network = make(layout, head, streams={"fm": {}, "linear": {}})
    selected = network.select(FEATURES)
    codes, table = selected["embedding"], network.operators["embedding"].tables()[0]
    rows = table[codes + network.operators["embedding"].offsets]
    vectors = torch.cat([rows, network.operators["bag"](selected["bag"]).unsqueeze(1)], 1)
    beside = network.streams["fm"](vectors, codes) + network.streams["linear"](vectors, codes)
    expected = network.head(network.columns(selected)) + beside
    torch.testing.assert_close(network(selected), expected)
    if head.name == "none":
        torch.testing.assert_close(expected, beside + network.head.bias)


@pytest.mark.parametrize(
    "forms", [["embedding"], ["unified_embedding"], ["bag"], ["embedding", "unified_embedding"]]
)
def test_streams_are_given_the_codes_of_the_fields_that_have_any(forms: list[str]) -> None:
    network = make({name: slots_of(name, SHAPES) for name in forms}, HEADS[2], streams={"linear": {}})
    seen = []
    network.streams["linear"].register_forward_pre_hook(lambda _, read: seen.append(read))
    selected = network.select(FEATURES)
    network(selected)
    ((vectors, codes),) = seen
    columns = network.columns(selected)
    assert torch.equal(vectors, columns.unflatten(1, (-1, SIZES.embedding_dim)))
    if len(forms) == 1 and forms != ["bag"]:
        assert codes is selected[forms[0]]  # not a copy
    frequent = torch.from_numpy(np.where(FEATURES.ids < np.array(KEPT), FEATURES.ids, 1))
    of_values = [frequent for name in forms if name != "bag"]
    assert torch.equal(codes, torch.cat([frequent[:, :0], *of_values], 1))


def test_streams_join_every_member() -> None:
    layout = {"embedding": slots_of("embedding", SHAPES)}
    network = make(layout, HeadSizes(hidden=(6,), ensemble=3), streams={"fm": {}})
    selected = network.select(FEATURES)
    vectors = network.columns(selected).unflatten(1, (-1, SIZES.embedding_dim))
    beside = network.streams["fm"](vectors, selected["embedding"])
    members = network.head.train()(network.columns(selected)) + beside.unsqueeze(1)
    network.head.eval()
    torch.testing.assert_close(network(selected).sigmoid(), members.sigmoid().mean(1))


def test_what_is_kept_keeps_its_streams_and_every_field_they_read() -> None:
    network = make(everything(), HEADS[3], streams={"cross_network": {"layers": 1}, "linear": {}})
    vectors = {name: slots_of(name, SHAPES) for name in sorted(vector_operators())}
    small = network.keep(vectors).double()
    masked = network(network.select(FEATURES), mask_of(network, vectors))
    torch.testing.assert_close(small(small.select(FEATURES)), masked, rtol=1e-10, atol=1e-10)
    assert set(small.state_dict()) <= set(network.state_dict())
    with pytest.raises(InvalidArchitectureError, match="cross_network, linear would lack fields"):
        network.keep({**vectors, "embedding": [(0,)]})


def test_streams_need_vectors() -> None:
    with pytest.raises(InvalidArchitectureError, match="No field has an embedding"):
        make({"statistics": [(1,)]}, HEADS[0], streams={"fm": {}})


@pytest.mark.parametrize("head", [HeadSizes("none", hidden=()), *HEADS], ids=lambda r: r.name)
def test_branches_are_told_apart_while_training_only(head: HeadSizes) -> None:
    layout = {"embedding": slots_of("embedding", SHAPES)}
    network = make(
        layout, replace(head, dropout=0.0, batch_norm=False), streams={"fused_crosses": {}, "fm": {}}
    )
    selected = network.select(FEATURES)
    scored = network(selected)
    network.train().operators.eval()  # embeddings take some values for unseen while training
    told = network(selected)
    assert (scored.shape, told.shape) == ((50,), (50, 2))
    torch.testing.assert_close(told.mean(1), scored)
    branches = network.streams["fused_crosses"].branches(
        network.columns(selected).unflatten(1, (-1, SIZES.embedding_dim)), selected["embedding"]
    )
    torch.testing.assert_close(told[:, 0] - told[:, 1], branches[:, 0] - branches[:, 1])


def test_streams_train_the_rows_of_the_unseen_that_embeddings_train() -> None:
    """Where no value is rare, a value now and then is taken for unseen: by the embedding and the stream alike."""
    shapes = replace(SHAPES, kept=SHAPES.cardinalities)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Network({"embedding": [(0,)]}, shapes, SIZES, HEADS[1], streams={"linear": {}})
        rows = {"embedding": torch.full((20_000, 1), 2, dtype=torch.int32)}
        network.train()(rows).sum().backward()
    stream, embedding = network.streams["linear"].table.grad, network.operators["embedding"].table.grad
    counted = stream.flatten()
    assert counted[2] + counted[1] == 20_000
    assert 10 < counted[1] < 100  # 40 expected
    weight = network.head.first_weight()[0].detach()
    torch.testing.assert_close(embedding[1], counted[1] * weight)


@pytest.mark.parametrize("ensemble", [1, 3])
def test_branches_are_averaged_beside_an_ensemble_and_other_branches(ensemble: int) -> None:
    layout = {"embedding": slots_of("embedding", SHAPES)}
    streams: dict[str, dict[str, object]] = {
        "fused_crosses": {},
        "factorized_blocks": {"first": [4], "second": [2]},
    }
    if ensemble > 1:
        del streams["factorized_blocks"]
    network = make(layout, HeadSizes(hidden=(6,), ensemble=ensemble), streams=streams)
    network.train().operators.eval()
    told = network(network.select(FEATURES))
    assert told.shape == ((50, 3) if ensemble > 1 else (50,))
    assert not network.branched
