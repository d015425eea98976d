"""A step's gradient, as long as its settings let it be."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from autofi.model.network import Network
from autofi.operators import base
from autofi.space.training_config import TrainingSettings
from autofi.training.step import train_rows
from tests.training.test_fit import SETTINGS, make, rows_of, run


class Gradients:
    """Keeps the gradient of one step, and changes nothing."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.found: dict[str, torch.Tensor] = {}

    def zero_grad(self) -> None:
        self.network.zero_grad()

    def step(self) -> None:
        for name, parameter in self.network.named_parameters():
            if parameter.grad is not None:
                self.found[name] = parameter.grad.to_dense().clone()

    def catch_up_all(self) -> None: ...

    def release(self) -> None: ...

    def scale_learning_rate(self, factor: float) -> None: ...

    def length(self) -> float:
        return float(sum(part.double().square().sum() for part in self.found.values()) ** 0.5)


def gradients(gradient_norm: float) -> Gradients:
    network = make()
    found = Gradients(network)
    train, _ = rows_of(network)
    torch.manual_seed(0)
    assert train_rows(network, [train], [found], TrainingSettings(gradient_norm=gradient_norm)) == 1
    return found


@pytest.mark.parametrize("large", [10, 200_000], ids=["tables by row", "whole tables"])
def test_a_long_gradient_is_shortened_and_keeps_its_direction(
    monkeypatch: pytest.MonkeyPatch, large: int
) -> None:
    monkeypatch.setattr(base, "LARGE_TABLE", large)
    whole = gradients(0.0)
    assert whole.length() > 0
    shortened = gradients(whole.length() / 4)
    assert shortened.length() == pytest.approx(whole.length() / 4, rel=1e-4)
    for name, part in whole.found.items():
        torch.testing.assert_close(shortened.found[name], part / 4, rtol=1e-4, atol=1e-8)
    left = gradients(whole.length() * 4)
    for name, part in whole.found.items():
        torch.testing.assert_close(left.found[name], part, rtol=1e-4, atol=1e-8)


def test_a_training_obeys_its_setting() -> None:
    plain, short, long = make(), make(), make()
    run(plain, SETTINGS)
    run(short, replace(SETTINGS, gradient_norm=1e-3))
    run(long, replace(SETTINGS, gradient_norm=1e6))
    state = plain.state_dict()
    assert all(torch.equal(state[name], part) for name, part in long.state_dict().items())
    assert any(not torch.equal(state[name], part) for name, part in short.state_dict().items())
