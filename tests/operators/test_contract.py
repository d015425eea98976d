"""Every registered operator keeps the contract, whatever it computes."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from autofi.operators import base
from autofi.operators.base import Operator, Sizes
from autofi.operators.feature_tensors import FeatureTensors
from autofi.operators.registry import get_operator, operators
from tests.operators.examples import SIZES, build, random_features, shapes_for, slots_of, with_rows
from tests.operators.exported import exported

ROWS = 40
FEATURES = random_features(ROWS)
SHAPES = shapes_for(FEATURES)
every_operator = pytest.mark.parametrize("name", list(operators()))
every_table = pytest.mark.parametrize(
    "name",
    [
        name
        for name, operator in operators().items()
        if operator.table_rows(slots_of(name, SHAPES), SHAPES, SIZES)
    ],
)


def whole(name: str, *, seed: int = 0, sizes: Sizes = SIZES) -> Operator:
    return build(name, slots_of(name, SHAPES), SHAPES, seed=seed, sizes=sizes)


@every_operator
@pytest.mark.parametrize("rows", [0, 1, 7])
def test_one_vector_per_slot_and_row(name: str, rows: int) -> None:
    operator = whole(name)
    selected = operator.select(FEATURES)
    assert len(selected) == ROWS
    out = operator(selected[:rows])
    assert out.shape == (rows, sum(operator.widths()))
    assert out.dtype == torch.float32


@every_operator
def test_features_without_rows_are_selected(name: str) -> None:
    operator = whole(name)
    assert operator(operator.select(FEATURES.rows(slice(0, 0)))).shape == (0, sum(operator.widths()))


@every_operator
@pytest.mark.parametrize("sizes", [SIZES, Sizes(7, 1, 2, unified_rows=5, unified_chunks=7)])
def test_formulas_equal_the_built_module(name: str, sizes: Sizes) -> None:
    slots = slots_of(name, SHAPES)
    for chosen in (slots, slots[:1], slots[::-1]):
        operator = build(name, chosen, SHAPES, sizes=sizes)
        kind = type(operator)
        assert operator.slots == tuple(chosen)
        assert kind.num_parameters(chosen, SHAPES, sizes) == sum(p.numel() for p in operator.parameters())
        assert kind.table_rows(chosen, SHAPES, sizes) == sum(len(table) for table in operator.tables())
        assert operator.widths() == tuple(kind.width(slot, SHAPES, sizes) for slot in chosen)
        assert operator(operator.select(FEATURES)).shape[1] == sum(operator.widths())


@every_operator
def test_rows_do_not_see_each_other(name: str) -> None:
    operator = whole(name)
    before = operator(operator.select(FEATURES))
    order = np.arange(ROWS)
    order[3] = 17
    after = operator(operator.select(with_rows(FEATURES, order)))
    others = torch.arange(ROWS) != 3
    assert torch.equal(after[others], before[others])
    assert torch.equal(after[3], before[17])
    assert not torch.equal(after[3], before[3])


@every_operator
def test_what_it_reads_stays_as_it_was(name: str) -> None:
    features = random_features(ROWS)
    operator = whole(name)
    selected = operator.select(features)
    copy = selected.clone()
    operator(selected).sum()
    assert torch.equal(selected.nan_to_num(-7.0), copy.nan_to_num(-7.0))
    again = random_features(ROWS)
    for left, right in (
        (features.ids, again.ids),
        (features.numbers, again.numbers),
        (features.bags["tags"], again.bags["tags"]),
        (features.crosses, again.crosses),
        (features.statistics, again.statistics),
    ):
        np.testing.assert_array_equal(left, right)


@every_operator
def test_same_seed_same_weights(name: str) -> None:
    first, second, other = whole(name, seed=5), whole(name, seed=5), whole(name, seed=6)
    for key, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[key])
        assert not torch.equal(value, other.state_dict()[key])


@every_operator
def test_gradient_reaches_every_parameter(name: str) -> None:
    operator = whole(name)
    out = operator(operator.select(FEATURES))
    weights = torch.randn(out.shape, generator=torch.Generator().manual_seed(0))
    parameters = list(operator.parameters())
    if parameters:
        (out * weights).sum().backward()
    for parameter in parameters:
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()
        # Rows that no code of the example reaches are the only ones that may stay without.
        reached = parameter.grad.reshape(len(parameter), -1).abs().sum(1) > 0
        assert reached.float().mean() > 0.5


@every_operator
def test_a_subset_gives_the_columns_of_the_whole(name: str) -> None:
    operator = whole(name)
    columns = operator(operator.select(FEATURES)).split(list(operator.widths()), 1)
    positions = [p for p in (len(operator.slots) - 1, 0, 3) if p < len(operator.slots)]
    for chosen in (positions, positions[:1], list(range(len(operator.slots)))):
        state = torch.random.get_rng_state()
        small = operator.subset(chosen)
        assert torch.equal(torch.random.get_rng_state(), state)
        assert type(small) is type(operator)
        assert small.slots == tuple(operator.slots[position] for position in chosen)
        expected = torch.cat([columns[position] for position in chosen], 1)
        assert torch.equal(small(small.select(FEATURES)), expected)
        assert sum(p.numel() for p in small.parameters()) == type(operator).num_parameters(
            small.slots, SHAPES, SIZES
        )


@every_operator
def test_a_subset_shares_no_memory(name: str) -> None:
    operator = whole(name)
    small = operator.subset([0])
    before = operator(operator.select(FEATURES))
    with torch.no_grad():
        for parameter in small.parameters():
            parameter.fill_(9.0)
    assert torch.equal(operator(operator.select(FEATURES)), before)


@every_operator
def test_weights_travel_through_a_state(name: str) -> None:
    first, second = whole(name, seed=1), whole(name, seed=2)
    second.load_state_dict(first.state_dict())
    selected = first.select(FEATURES)
    assert torch.equal(first(selected), second(selected))
    assert set(first.state_dict()) == {key for key, _ in first.named_parameters()}


@every_operator
def test_extreme_input_gives_finite_numbers(name: str) -> None:
    features = random_features(ROWS)
    features.ids[:] = np.int32(10**6)  # codes beyond every table are out of vocabulary
    assert features.crosses is not None and features.statistics is not None
    features.crosses[:] = np.int32(10**6)
    features.numbers[::2] = np.nan
    features.numbers[1::2] = np.array(SHAPES.number_bins, dtype=np.float32)
    features.bags["tags"][:] = -1
    features.statistics[:] = 1e9
    features.statistics[::2, :, 1] = 0.0
    operator = whole(name)
    out = operator(operator.select(features))
    assert out.isfinite().all()
    if list(operator.parameters()):
        out.sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in operator.parameters())


@every_operator
def test_a_constant_number_without_bins_gives_finite_numbers(name: str) -> None:
    shapes = replace(SHAPES, number_bins=(0, 0))
    features = replace(
        FEATURES, numbers=np.where(np.isnan(FEATURES.numbers), np.float32(np.nan), np.float32(0))
    )
    operator = build(name, slots_of(name, shapes), shapes)
    out = operator(operator.select(features))
    assert out.shape == (ROWS, sum(operator.widths()))
    assert out.isfinite().all()


@every_table
def test_a_large_table_has_the_same_gradient_but_sparse(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    operator = whole(name)
    selected = operator.select(FEATURES)
    gradients = []
    for threshold in (base.LARGE_TABLE, 3):
        monkeypatch.setattr(base, "LARGE_TABLE", threshold)
        operator.zero_grad()
        operator(selected).square().sum().backward()
        gradients.append([table.grad for table in operator.tables()])
    for dense, sparse in zip(*gradients, strict=True):
        assert dense is not None and sparse is not None
        assert sparse.is_sparse and not dense.is_sparse
        torch.testing.assert_close(sparse.to_dense(), dense)


@every_operator
def test_sizes_it_does_not_read_change_nothing(name: str) -> None:
    slots, kind = slots_of(name, SHAPES), get_operator(name)
    doubled = replace(
        SIZES, **{key: 2 * value for key, value in asdict(SIZES).items() if key not in kind.sizes_read}
    )
    assert kind.num_parameters(slots, SHAPES, doubled) == kind.num_parameters(slots, SHAPES, SIZES)
    assert [kind.width(slot, SHAPES, doubled) for slot in slots] == [
        kind.width(slot, SHAPES, SIZES) for slot in slots
    ]
    for size in kind.sizes_read:
        other = replace(SIZES, **{size: 2 * getattr(SIZES, size)})
        assert kind.num_parameters(slots, SHAPES, other) != kind.num_parameters(slots, SHAPES, SIZES)


class Selecting(torch.nn.Module):
    """An operator from features on."""

    def __init__(self, operator: Operator) -> None:
        super().__init__()
        self.operator = operator

    def forward(self, features: dict[str, torch.Tensor]) -> torch.Tensor:
        tensors = FeatureTensors(
            ids=features["ids"],
            numbers=features["numbers"],
            bags={"tags": features["bag_tags"]},
            pairs=FEATURES.pairs,
            crosses=features["crosses"],
            columns=FEATURES.columns,
            statistics=features["statistics"],
        )
        return self.operator(self.operator.read(tensors))


@every_operator
def test_exported_it_gives_the_same_for_any_number_of_rows(name: str) -> None:
    operator = whole(name)
    tensors = FeatureTensors.of(FEATURES)
    assert tensors.crosses is not None and tensors.statistics is not None
    inputs = {
        "ids": tensors.ids,
        "numbers": tensors.numbers,
        "bag_tags": tensors.bag("tags"),
        "crosses": tensors.crosses,
        "statistics": tensors.statistics,
    }
    expected = operator(operator.select(FEATURES)).detach().numpy()
    for rows, program, graph in exported(Selecting(operator), inputs, (1, 7, ROWS)):
        np.testing.assert_allclose(program, expected[:rows], rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(graph, expected[:rows], rtol=1e-5, atol=1e-5)
