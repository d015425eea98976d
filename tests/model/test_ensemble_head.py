"""Members are separate small networks behind one layer: trained each on its own, averaged when they score."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from autofi.model.ensemble_head import EnsembleHead, mean_logit
from autofi.model.head import Head
from autofi.space.head_config import HeadSizes
from autofi.training.losses import mean_loss

SIZES = HeadSizes(hidden=(6, 5, 4), ensemble=3)


def head(sizes: HeadSizes = SIZES, seed: int = 0) -> Head:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = Head(7, sizes, bias=0.3)
        with torch.no_grad():
            for parameter in made.parameters():
                parameter += 0.1 * torch.randn_like(parameter)
    return made


def columns(rows: int = 40, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, 7, generator=torch.Generator().manual_seed(seed))


def test_every_member_is_a_network_of_its_own() -> None:
    made = head().train()
    members = made.layers[-1]
    assert isinstance(members, EnsembleHead)
    x = columns()
    logits = made(x).detach().numpy()
    first = (x @ made.first.weight.T + made.first.bias).detach().numpy()
    for member in range(3):
        hidden = first * members.factors[member].detach().numpy() + members.shifts[0][member].detach().numpy()
        for weight, shift in zip(members.weights, list(members.shifts)[1:], strict=True):
            hidden = np.maximum(hidden, 0) @ weight[member].detach().numpy() + shift[member].detach().numpy()
        np.testing.assert_allclose(logits[:, member], hidden[:, 0] + made.bias.item(), rtol=1e-4, atol=1e-5)


def test_scoring_is_the_logit_of_the_mean_probability() -> None:
    made = head()
    each = made.train()(columns()).detach().double().sigmoid()
    assert each.shape == (40, 3)
    scored = made.eval()(columns()).double().sigmoid()
    np.testing.assert_allclose(scored.detach(), each.mean(1), rtol=1e-5)


def test_the_mean_keeps_sure_members_finite_and_exact() -> None:
    logits = torch.tensor([[80.0, 80.0], [-80.0, -80.0], [90.0, -90.0], [200.0, 200.0]])
    expected = torch.tensor([80.0, -80.0, 0.0, 200.0])
    torch.testing.assert_close(mean_logit(logits), expected)


def test_each_member_is_trained_on_its_own_loss() -> None:
    logits = torch.randn(20, 3, generator=torch.Generator().manual_seed(1))
    labels = torch.arange(20).remainder(2).float()
    weights = torch.rand(20, generator=torch.Generator().manual_seed(2))
    for given in (None, weights):
        each = [
            torch.nn.functional.binary_cross_entropy_with_logits(logits[:, member], labels, given)
            for member in range(3)
        ]
        torch.testing.assert_close(mean_loss(logits, labels, given), sum(each) / 3)


def test_members_begin_differently_and_one_seed_begins_alike() -> None:
    signs = head().layers[-1].factors
    assert not torch.equal(signs[0], signs[1])
    fresh = EnsembleHead((64, 8, 1), 4)
    assert set(fresh.factors.unique().tolist()) == {-1.0, 1.0}
    for left, right in zip(head(seed=3).parameters(), head(seed=3).parameters(), strict=True):
        assert torch.equal(left, right)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_narrowing_keeps_the_members(batch_norm: bool) -> None:
    made = head(HeadSizes(hidden=(6, 4), ensemble=3, batch_norm=batch_norm, dropout=0.3)).eval()
    x = columns()
    x[:, [1, 4]] = 0.0
    kept = [0, 2, 3, 5, 6]
    torch.testing.assert_close(made.narrow(kept)(x[:, kept]), made(x))


def test_a_head_without_hidden_layers_is_no_ensemble() -> None:
    assert head(HeadSizes(name="linear", hidden=(), ensemble=3)).train()(columns()).shape == (40,)
