"""The contract of an operator of fields or pairs: shapes, sizes, gradients, seeds, subsets, export."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import cache

import numpy as np
import pytest
import torch

from autofi.data.features import Features
from autofi.operators import base
from autofi.operators.base import Operator, Shapes, Sizes
from autofi.operators.feature_tensors import FeatureTensors
from autofi.operators.registry import get_operator
from autofi.testing.contract import Contract
from autofi.testing.exported import exported
from autofi.testing.operator_examples import SIZES, build, random_features, shapes_for, slots_of, with_rows

ROWS = 40


class OperatorContract(Contract):
    """The contract of every operator of fields or pairs, whatever it computes."""

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        super().pytest_generate_tests(metafunc)
        if "of_table" in metafunc.fixturenames:
            metafunc.parametrize("of_table", list(self._with_tables()))

    def _with_tables(self) -> Iterator[str]:
        for name in self.names:
            if get_operator(name).table_rows(slots_of(name, _shapes()), _shapes(), SIZES):
                yield name

    def test_it_says_what_it_is(self, name: str) -> None:
        operator = get_operator(name)
        assert re.fullmatch("[a-z][a-z0-9_]*", name)
        assert operator.summary and operator.formula
        assert operator.choice in (("field",) if operator.arity == 1 else ("memorize", "factorize"))

    @pytest.mark.parametrize("rows", [0, 1, 7])
    def test_one_vector_per_slot_and_row(self, name: str, rows: int) -> None:
        operator = whole(name)
        selected = operator.select(_features())
        assert len(selected) == ROWS
        out = operator(selected[:rows])
        assert out.shape == (rows, sum(operator.widths()))
        assert out.dtype == torch.float32

    def test_features_without_rows_are_selected(self, name: str) -> None:
        operator = whole(name)
        assert operator(operator.select(_features().rows(slice(0, 0)))).shape == (0, sum(operator.widths()))

    @pytest.mark.parametrize("sizes", [SIZES, Sizes(7, 1, 2, unified_rows=5, unified_chunks=7)])
    def test_formulas_equal_the_built_module(self, name: str, sizes: Sizes) -> None:
        slots = slots_of(name, _shapes())
        for chosen in (slots, slots[:1], slots[::-1]):
            operator = build(name, chosen, _shapes(), sizes=sizes)
            kind = type(operator)
            assert operator.slots == tuple(chosen)
            assert kind.num_parameters(chosen, _shapes(), sizes) == sum(
                p.numel() for p in operator.parameters()
            )
            assert kind.table_rows(chosen, _shapes(), sizes) == sum(len(table) for table in operator.tables())
            assert operator.widths() == tuple(kind.width(slot, _shapes(), sizes) for slot in chosen)
            assert operator(operator.select(_features())).shape[1] == sum(operator.widths())

    def test_rows_do_not_see_each_other(self, name: str) -> None:
        operator = whole(name)
        before = operator(operator.select(_features()))
        order = np.arange(ROWS)
        order[3] = 17
        after = operator(operator.select(with_rows(_features(), order)))
        others = torch.arange(ROWS) != 3
        assert torch.equal(after[others], before[others])
        assert torch.equal(after[3], before[17])
        assert not torch.equal(after[3], before[3])

    def test_what_it_reads_stays_as_it_was(self, name: str) -> None:
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

    def test_same_seed_same_weights(self, name: str) -> None:
        first, second, other = whole(name, seed=5), whole(name, seed=5), whole(name, seed=6)
        for key, value in first.state_dict().items():
            assert torch.equal(value, second.state_dict()[key])
            assert not torch.equal(value, other.state_dict()[key])

    def test_gradient_reaches_every_parameter(self, name: str) -> None:
        operator = whole(name)
        out = operator(operator.select(_features()))
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

    def test_a_subset_gives_the_columns_of_the_whole(self, name: str) -> None:
        operator = whole(name)
        columns = operator(operator.select(_features())).split(list(operator.widths()), 1)
        positions = [p for p in (len(operator.slots) - 1, 0, 3) if p < len(operator.slots)]
        for chosen in (positions, positions[:1], list(range(len(operator.slots)))):
            state = torch.random.get_rng_state()
            small = operator.subset(chosen)
            assert torch.equal(torch.random.get_rng_state(), state)
            assert type(small) is type(operator)
            assert small.slots == tuple(operator.slots[position] for position in chosen)
            expected = torch.cat([columns[position] for position in chosen], 1)
            assert torch.equal(small(small.select(_features())), expected)
            assert sum(p.numel() for p in small.parameters()) == type(operator).num_parameters(
                small.slots, _shapes(), SIZES
            )

    def test_a_subset_shares_no_memory(self, name: str) -> None:
        operator = whole(name)
        small = operator.subset([0])
        before = operator(operator.select(_features()))
        with torch.no_grad():
            for parameter in small.parameters():
                parameter.fill_(9.0)
        assert torch.equal(operator(operator.select(_features())), before)

    def test_weights_travel_through_a_state(self, name: str) -> None:
        first, second = whole(name, seed=1), whole(name, seed=2)
        second.load_state_dict(first.state_dict())
        selected = first.select(_features())
        assert torch.equal(first(selected), second(selected))
        assert set(first.state_dict()) == {key for key, _ in first.named_parameters()}

    def test_extreme_input_gives_finite_numbers(self, name: str) -> None:
        features = random_features(ROWS)
        features.ids[:] = np.int32(10**6)  # codes beyond every table are out of vocabulary
        assert features.crosses is not None and features.statistics is not None
        features.crosses[:] = np.int32(10**6)
        features.numbers[::2] = np.nan
        features.numbers[1::2] = np.array(_shapes().number_bins, dtype=np.float32)
        features.bags["tags"][:] = -1
        features.statistics[:] = 1e9
        features.statistics[::2, :, 1] = 0.0
        operator = whole(name)
        out = operator(operator.select(features))
        assert out.isfinite().all()
        if list(operator.parameters()):
            out.sum().backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in operator.parameters())

    def test_a_constant_number_without_bins_gives_finite_numbers(self, name: str) -> None:
        shapes = replace(_shapes(), number_bins=(0, 0))
        features = replace(
            _features(), numbers=np.where(np.isnan(_features().numbers), np.float32(np.nan), np.float32(0))
        )
        operator = build(name, slots_of(name, shapes), shapes)
        out = operator(operator.select(features))
        assert out.shape == (ROWS, sum(operator.widths()))
        assert out.isfinite().all()

    def test_a_large_table_has_the_same_gradient_but_sparse(
        self, of_table: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        operator = whole(of_table)
        selected = operator.select(_features())
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

    def test_sizes_it_does_not_read_change_nothing(self, name: str) -> None:
        slots, kind = slots_of(name, _shapes()), get_operator(name)
        doubled = replace(
            SIZES, **{key: 2 * value for key, value in asdict(SIZES).items() if key not in kind.sizes_read}
        )
        assert kind.num_parameters(slots, _shapes(), doubled) == kind.num_parameters(slots, _shapes(), SIZES)
        assert [kind.width(slot, _shapes(), doubled) for slot in slots] == [
            kind.width(slot, _shapes(), SIZES) for slot in slots
        ]
        for size in kind.sizes_read:
            other = replace(SIZES, **{size: 2 * getattr(SIZES, size)})
            assert kind.num_parameters(slots, _shapes(), other) != kind.num_parameters(
                slots, _shapes(), SIZES
            )

    def test_exported_it_gives_the_same_for_any_number_of_rows(self, name: str) -> None:
        operator = whole(name)
        tensors = FeatureTensors.of(_features())
        assert tensors.crosses is not None and tensors.statistics is not None
        inputs = {
            "ids": tensors.ids,
            "numbers": tensors.numbers,
            "bag_tags": tensors.bag("tags"),
            "crosses": tensors.crosses,
            "statistics": tensors.statistics,
        }
        expected = operator(operator.select(_features())).detach().numpy()
        for rows, program, graph in exported(_Selecting(operator), inputs, (1, 7, ROWS)):
            np.testing.assert_allclose(program, expected[:rows], rtol=1e-5, atol=1e-5)
            np.testing.assert_allclose(graph, expected[:rows], rtol=1e-5, atol=1e-5)


def whole(name: str, *, seed: int = 0, sizes: Sizes = SIZES) -> Operator:
    """Return the operator for every slot of the example that it applies to."""
    return build(name, slots_of(name, _shapes()), _shapes(), seed=seed, sizes=sizes)


@cache
def _features() -> Features:
    return random_features(ROWS)


@cache
def _shapes() -> Shapes:
    return shapes_for(_features())


class _Selecting(torch.nn.Module):
    """An operator from features on."""

    def __init__(self, operator: Operator) -> None:
        super().__init__()
        self.operator = operator

    def forward(self, features: dict[str, torch.Tensor]) -> torch.Tensor:
        tensors = FeatureTensors(
            ids=features["ids"],
            numbers=features["numbers"],
            bags={"tags": features["bag_tags"]},
            pairs=_features().pairs,
            crosses=features["crosses"],
            columns=_features().columns,
            statistics=features["statistics"],
        )
        vectors: torch.Tensor = self.operator(self.operator.read(tensors))
        return vectors
