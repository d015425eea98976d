"""Optimizers do what their dense, slow counterparts do."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from autofi.model.network import Network
from autofi.operators import base
from autofi.operators.base import Sizes
from autofi.space.head_config import HeadSizes
from autofi.training.optimizers import DenseAdam, make_optimizers
from autofi.training.sparse_adam import RowAdam
from tests.operators.examples import random_features, shapes_for

ROWS, DIM = 9, 3


def table(seed: int = 0) -> nn.Parameter:
    return nn.Parameter(
        torch.randn(ROWS, DIM, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    )


def gradients(steps: int, seed: int = 1) -> list[tuple[Tensor, Tensor]]:
    """A few rows with repetitions, and a gradient for each, for every step."""
    generator = torch.Generator().manual_seed(seed)
    return [
        (
            torch.randint(0, ROWS - 1, (4,), generator=generator),  # the last row is never touched
            torch.randn(4, DIM, generator=generator, dtype=torch.float64),
        )
        for _ in range(steps)
    ]


def test_coupled_l2_is_half_lambda_times_the_squared_norm_in_the_loss() -> None:
    coupled, explicit = table(), table()
    l2 = 0.05
    one = DenseAdam([{"params": [coupled], "weight_decay": l2}], 0.01)
    two = DenseAdam([{"params": [explicit]}], 0.01)
    target = torch.randn(4, DIM, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    for rows, _ in gradients(20):
        for parameter, optimizer, penalty in ((coupled, one, 0.0), (explicit, two, l2)):
            optimizer.zero_grad()
            data = (nn.functional.embedding(rows, parameter) - target).square().mean()
            (data + 0.5 * penalty * parameter.square().sum()).backward()
            optimizer.step()
            optimizer.catch_up_all()
    torch.testing.assert_close(coupled, explicit)
    assert not torch.equal(coupled[-1], table()[-1])  # no batch touches it, and it shrinks all the same
    assert (coupled[-1].abs() < table()[-1].abs()).all()


def test_adam_equals_a_slow_loop() -> None:
    parameter = table()
    optimizer = DenseAdam([{"params": [parameter]}], 0.01)
    expected = parameter.detach().numpy().copy()
    first, second = np.zeros_like(expected), np.zeros_like(expected)
    for step, (rows, values) in enumerate(gradients(6), start=1):
        parameter.grad = torch.zeros_like(parameter).index_add_(0, rows, values)
        gradient = parameter.grad.numpy().copy()
        optimizer.step()
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        expected -= 0.01 * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
    np.testing.assert_allclose(parameter.detach().numpy(), expected, rtol=1e-6)


def network() -> Network:
    features = random_features(30)
    layout = {
        "embedding": [(0,), (1,)],
        "memorize_embedding": [(0, 1)],
        "statistics": [(0,)],
        "periodic": [(2,)],
    }
    return Network(layout, shapes_for(features), Sizes(4, 4, 4), HeadSizes(hidden=(6, 4), batch_norm=True))


def test_every_parameter_has_one_optimizer_and_its_own_decay(monkeypatch: pytest.MonkeyPatch) -> None:
    made = network()
    embedding, memorize = made.tables()
    assert embedding.numel() < memorize.numel()
    monkeypatch.setattr(base, "LARGE_TABLE", embedding.numel())
    dense, by_row = make_optimizers(made, 1e-3, embedding_l2=0.1, weight_decay=0.01)
    assert isinstance(dense, DenseAdam) and isinstance(by_row, RowAdam)
    assert by_row.table is memorize and by_row.l2 == 0.1
    decays = {
        id(parameter): group["weight_decay"]
        for group in dense.adam.param_groups
        for parameter in group["params"]
    }
    expected = {
        id(parameter): 0.1 if parameter is embedding else 0.01 if parameter.ndim == 2 else 0
        for parameter in made.parameters()
        if parameter is not memorize
    }
    assert decays == expected
    assert sum(len(group["params"]) for group in dense.adam.param_groups) == len(expected)


def test_small_tables_need_one_optimizer() -> None:
    assert len(make_optimizers(network(), 1e-3, 1e-5)) == 1


def test_a_network_without_tables_is_trained_too() -> None:
    features = random_features(30)
    made = Network({"statistics": [(0,)]}, shapes_for(features), Sizes(), HeadSizes("sum", hidden=()))
    (optimizer,) = make_optimizers(made, 1e-2, 1e-5)
    made(made.select(features)).sum().backward()
    before = made.head.bias.item()
    optimizer.step()
    assert made.head.bias.item() == pytest.approx(before - 1e-2)
