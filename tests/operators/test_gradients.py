"""Gradients that are written down are those of finite differences."""

from __future__ import annotations

from itertools import combinations

import pytest
import torch

from autofi.operators._field_aware import FieldAwareProducts, _Products as _FieldAware
from autofi.operators._pair_products import _InnerProducts
from autofi.operators.bilinear_interactions import _Products
from autofi.operators.fm import _AllPairs
from autofi.operators.generated_features import _Largest
from autofi.operators.logarithmic import _Normalised
from autofi.operators.streams import StreamInputs

ROWS, FIELDS, DIM = 5, 4, 3


def random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def test_inner_products_of_some_pairs() -> None:
    ends = torch.tensor([(0, 1), (3, 1), (2, 3)]).T
    assert torch.autograd.gradcheck(_InnerProducts.apply, (random(ROWS, FIELDS, DIM), ends))


def test_the_sum_over_all_pairs() -> None:
    assert torch.autograd.gradcheck(_AllPairs.apply, (random(ROWS, FIELDS, DIM),))


def test_field_aware_products() -> None:
    module = FieldAwareProducts(StreamInputs(("a", "b", "c"), (3, 4, 5), DIM), DIM)
    vectors = random(ROWS, 6, DIM)
    assert torch.autograd.gradcheck(_FieldAware.apply, (vectors, module.ends, module.partners, module.pairs))


@pytest.mark.parametrize("pools", [[4], [2, 2], [3, 2], [2, 2, 1], [2, 1, 1]])
def test_the_largest_of_every_pool(pools: list[int]) -> None:
    rows = random(ROWS, DIM, sum(pools), 2)
    assert torch.autograd.gradcheck(_Largest.apply, (rows, pools))
    # By pool: its rows lie as far apart as the lists of first, second and third rows begin.
    starts = [sum(pools[:place]) for place in range(len(pools))]
    for pool, largest in enumerate(_Largest.apply(rows, pools).unbind(2)):
        own = [start + pool for start, size in zip(starts, pools, strict=True) if pool < size]
        torch.testing.assert_close(largest, rows[:, :, own].amax(2))


def test_one_of_equal_rows_has_the_gradient_of_their_pool() -> None:
    rows = torch.ones(1, 1, 5, 1, requires_grad=True)
    _Largest.apply(rows, [2, 2, 1]).sum().backward()
    assert rows.grad is not None and rows.grad.flatten().tolist() == [1, 1, 0, 0, 0]


@pytest.mark.parametrize("sets", [1, 2])
@pytest.mark.parametrize("own", [False, True])
def test_bilinear_products(monkeypatch: pytest.MonkeyPatch, sets: int, own: bool) -> None:
    monkeypatch.setattr("autofi.operators.bilinear_interactions.block_rows", lambda *_: 2)
    left, right = torch.tensor(list(combinations(range(FIELDS), 2))).T
    places = torch.arange(len(left)) if own else left
    mapped = [random(ROWS, len(left) if own else FIELDS, DIM) for _ in range(sets)]
    given = (random(ROWS, FIELDS, DIM), random(ROWS, len(left)), places, right, torch.float64, *mapped)
    assert torch.autograd.gradcheck(_Products.apply, given)


def test_normalised_crosses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autofi.operators.logarithmic.block_rows", lambda *_: 2)
    columns, powers = random(7, FIELDS), random(6, FIELDS)

    def of_batch(columns: torch.Tensor, powers: torch.Tensor) -> torch.Tensor:
        crosses = (columns @ powers.t()).exp().detach()
        scale = (crosses.var(0, correction=0) + 1e-5).rsqrt()
        return _Normalised.apply(columns, powers, crosses.mean(0), scale, True, torch.float64)

    assert torch.autograd.gradcheck(of_batch, (columns, powers))
