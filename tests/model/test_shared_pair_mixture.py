"""Pairs mixed in one pass are the sum of their operators, each by its weight."""

from __future__ import annotations

from itertools import combinations

import pytest
import torch
from torch import Tensor

from autofi.model.shared_pair_mixture import mix
from autofi.operators.base import Operator, Shapes, Sizes
from autofi.operators.factorize_hadamard import FactorizeHadamard
from autofi.operators.memorize_embedding import MemorizeEmbedding
from autofi.training.precision import VARIABLE, fast_products
from autofi.training.sparse_adam import RowAdam

FIELDS, CODES, CELLS, ROWS = 5, 7, 40, 600
PAIRS = tuple(combinations(range(FIELDS), 2))
SHAPES = Shapes(
    names=tuple("abcde"),
    cardinalities=(CODES,) * FIELDS,
    kept=(CODES,) * FIELDS,
    cross_rows=dict.fromkeys(PAIRS, CELLS),
    prior=0.5,
)


def example(width: int) -> tuple[list[Operator], dict[str, Tensor], dict[str, Tensor]]:
    """Both operators over all pairs, rows of their selections, and a weight per pair."""
    torch.manual_seed(width)
    sizes = Sizes(cross_dim=width, factor_dim=width)
    operators: list[Operator] = [
        MemorizeEmbedding(PAIRS, SHAPES, sizes),
        FactorizeHadamard(PAIRS, SHAPES, sizes),
    ]
    for operator in operators:
        for table in operator.tables():
            torch.nn.init.normal_(table)
    selected = {
        "memorize_embedding": torch.randint(0, CELLS, (ROWS, len(PAIRS)), dtype=torch.int32),
        "factorize_hadamard": torch.randint(0, CODES, (ROWS, FIELDS), dtype=torch.int32),
    }
    mask = {operator.name: torch.rand(len(PAIRS)).requires_grad_() for operator in operators}
    return operators, selected, mask


def one_by_one(operators: list[Operator], selected: dict[str, Tensor], mask: dict[str, Tensor]) -> Tensor:
    """The definition: every pair by itself."""
    columns = []
    for pair in range(len(PAIRS)):
        parts = []
        for operator in operators:
            width = operator.widths()[pair]
            vectors = operator(selected[operator.name])[:, pair * width : (pair + 1) * width]
            parts.append(mask[operator.name][pair] * vectors)
        columns.append(sum(parts))
    return torch.cat(columns, 1)


def gradients(out: Tensor, operators: list[Operator], mask: dict[str, Tensor]) -> list[Tensor]:
    above = torch.linspace(-1, 1, out.numel()).view_as(out)
    wanted = [*(table for operator in operators for table in operator.tables()), *mask.values()]
    return [found.to_dense() for found in torch.autograd.grad((out.float() * above).sum(), wanted)]


@pytest.mark.parametrize("width", [1, 4, 10])
@pytest.mark.parametrize("threads", [1, 2])
def test_value_and_gradients_are_those_of_the_operators(width: int, threads: int) -> None:
    operators, selected, mask = example(width)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        found = mix(operators, selected, mask)
        expected = one_by_one(operators, selected, mask)
        torch.testing.assert_close(found, expected)
        for own, other in zip(
            gradients(found, operators, mask), gradients(expected, operators, mask), strict=True
        ):
            torch.testing.assert_close(own, other, rtol=1e-4, atol=1e-4)
    finally:
        torch.set_num_threads(before)


def test_in_bfloat16_it_is_rounded_to_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "bf16")
    operators, selected, mask = example(8)
    with fast_products(torch.device("cpu")):
        found = mix(operators, selected, mask)
    expected = one_by_one(operators, selected, mask)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found, expected.to(torch.bfloat16), rtol=2**-8, atol=1e-6)
    assert float((found == expected.to(torch.bfloat16)).float().mean()) > 0.999
    for own, other in zip(
        gradients(found, operators, mask), gradients(expected, operators, mask), strict=True
    ):
        assert float((own - other).norm() / other.norm()) < 4e-3


def test_a_large_table_gets_a_gradient_by_row_and_is_told_what_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("autofi.operators.base.LARGE_TABLE", 0)
    operators, selected, mask = example(4)
    table = operators[0].tables()[0]
    expected = gradients(one_by_one(operators, selected, mask), operators, mask)[0]
    optimizer = RowAdam(table, 1e-2, 0.0)
    told: list[Tensor] = []
    table.before_read = told.append  # type: ignore[attr-defined]
    mix(operators, selected, mask).square().sum().backward()
    assert table.grad is not None and table.grad.is_sparse
    offsets = torch.arange(len(PAIRS)) * CELLS
    seen = {int(row) for row in (selected["memorize_embedding"] + offsets).flatten()}
    assert {int(row) for rows in told for row in rows.flatten()} == seen
    table.grad = None
    out = mix(operators, selected, mask)
    torch.testing.assert_close(gradients(out, operators, mask)[0], expected, rtol=1e-4, atol=1e-4)
    optimizer.release()


def test_weights_per_row_and_without_weights_too() -> None:
    operators, selected, mask = example(4)
    rows = {name: weights.expand(ROWS, -1) for name, weights in mask.items()}
    torch.testing.assert_close(mix(operators, selected, rows), mix(operators, selected, mask))
    ones = {name: torch.ones(len(PAIRS)) for name in mask}
    torch.testing.assert_close(mix(operators, selected, None), mix(operators, selected, ones))


def test_weights_that_are_not_learned_get_no_gradient() -> None:
    operators, selected, mask = example(4)
    fixed = {name: weights.detach() for name, weights in mask.items()}
    mix(operators, selected, fixed).sum().backward()
    assert all(weights.grad is None for weights in mask.values())
    assert operators[0].tables()[0].grad is not None
