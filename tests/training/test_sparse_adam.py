"""Adam by row does what dense Adam does, row by row or made up later."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from autofi.operators.base import look_up
from autofi.training.sparse_adam import RowAdam

ROWS, DIM, RATE = 60, 4, 1e-2
Steps = list[tuple[Tensor, Tensor]]


def table(dtype: torch.dtype = torch.float32) -> nn.Parameter:
    generator = torch.Generator().manual_seed(0)
    return nn.Parameter(0.1 * torch.randn(ROWS, DIM, generator=generator, dtype=torch.float64).to(dtype))


def gradients(steps: int, *, skew: float, lookups: int = 15) -> Steps:
    """Rows with repetitions, the last never and others the rarer the more skewed, and a gradient for each."""
    generator = torch.Generator().manual_seed(1)
    shares = torch.arange(1.0, ROWS) ** -skew
    return [
        (
            torch.multinomial(shares, lookups, replacement=True, generator=generator),
            0.01 * torch.randn(lookups, DIM, generator=generator),
        )
        for _ in range(steps)
    ]


def by_row(
    steps: Steps, l2: float, dtype: torch.dtype = torch.float32, *, sparse: bool = True
) -> nn.Parameter:
    parameter = table(dtype)
    optimizer = RowAdam(parameter, RATE, l2)
    for rows, values in steps:
        optimizer.catch_up(rows)
        gradient = torch.sparse_coo_tensor(
            rows.unsqueeze(0), values.to(dtype), (ROWS, DIM), check_invariants=True
        )
        parameter.grad = gradient if sparse else gradient.to_dense()
        optimizer.step()
    optimizer.catch_up_all()
    return parameter


def dense(steps: Steps, l2: float) -> Tensor:
    parameter = table()
    adam = torch.optim.Adam([parameter], RATE, weight_decay=l2)
    for rows, values in steps:
        parameter.grad = torch.zeros(ROWS, DIM).index_add_(0, rows, values)
        adam.step()
    return parameter.detach()


def distance(left: Tensor, right: Tensor) -> float:
    return float((left - right).square().mean().sqrt())


@pytest.mark.parametrize("l2", [0.0, 0.05])
@pytest.mark.parametrize("sparse", [True, False])
def test_where_every_row_is_touched_it_is_dense_adam(l2: float, sparse: bool) -> None:
    generator = torch.Generator().manual_seed(2)
    every = torch.cat([torch.arange(ROWS), torch.arange(0, ROWS, 7)])  # and some twice
    steps = [(every, torch.randn(len(every), DIM, generator=generator)) for _ in range(30)]
    torch.testing.assert_close(by_row(steps, l2, sparse=sparse), dense(steps, l2), rtol=1e-5, atol=1e-6)


def test_without_decay_the_momentum_of_missed_steps_is_made_up() -> None:
    steps = gradients(400, skew=1.3)
    expected = dense(steps, 0.0)
    found = by_row(steps, 0.0).detach()
    assert distance(found, expected) < 0.005 * distance(expected, table().detach())
    assert torch.equal(found[-1], table()[-1])  # never touched


@pytest.mark.parametrize("l2", [1e-4, 1e-2])
def test_decay_of_missed_steps_is_made_up_closely(l2: float) -> None:
    steps = gradients(400, skew=1.3)
    expected = dense(steps, l2)
    found = by_row(steps, l2).detach()
    assert distance(found, expected) < 0.08 * distance(expected, table().detach())
    assert (found[-1].abs() < 1e-3).all() and (table()[-1].abs() > 1e-2).any()  # never touched, and gone


@pytest.mark.parametrize("l2", [0.0, 1e-3, 0.1])
def test_compiled_and_put_together_are_one(l2: float) -> None:
    steps = gradients(200, skew=1.5)
    compiled, apart = by_row(steps, l2), by_row(steps, l2, torch.float64)
    torch.testing.assert_close(compiled.double(), apart, rtol=2e-3, atol=2e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_row_is_brought_up_to_date_before_it_is_read(dtype: torch.dtype) -> None:
    parameter = table(dtype)
    optimizer = RowAdam(parameter, RATE, 0.1)
    start = parameter.detach().clone()
    for _ in range(20):
        look_up(parameter, torch.tensor([2, 5])).sum().backward()
        parameter.grad = parameter.grad.to_sparse(1)
        optimizer.step()
        optimizer.zero_grad()
    changed = (parameter != start).any(1).nonzero().flatten().tolist()
    assert changed == [2, 5]
    with torch.no_grad():
        assert torch.equal(
            look_up(parameter, torch.tensor([7])), start[7:8]
        )  # scoring follows `catch_up_all`
    read = look_up(parameter, torch.tensor([7], dtype=torch.int32))
    assert not torch.equal(read, start[7:8])
    before = read.detach().clone()
    optimizer.catch_up_all()
    assert torch.equal(parameter[7:8], before)


def test_settling_twice_pays_once_and_releasing_lets_go() -> None:
    parameter = table()
    optimizer = RowAdam(parameter, RATE, 0.1)
    rows, values = gradients(1, skew=1.0)[0]
    parameter.grad = torch.sparse_coo_tensor(rows.unsqueeze(0), values, (ROWS, DIM), check_invariants=True)
    optimizer.step()
    optimizer.catch_up_all()
    once = parameter.detach().clone()
    optimizer.catch_up_all()
    optimizer.release()
    optimizer.release()
    assert torch.equal(parameter, once)
    assert not hasattr(parameter, "before_read")


def test_a_step_without_a_gradient_is_none() -> None:
    parameter = table()
    optimizer = RowAdam(parameter, RATE, 0.5)
    optimizer.step()
    optimizer.catch_up_all()
    assert torch.equal(parameter, table())
