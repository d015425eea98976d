"""The best weights come back as they were, wherever the copy was kept."""

from __future__ import annotations

import pytest
import torch

from autofi.operators import base
from autofi.training.best_weights import BestWeights
from tests.training.test_fit import make


@pytest.mark.parametrize("large", [True, False])
def test_the_last_copy_is_what_comes_back(monkeypatch: pytest.MonkeyPatch, large: bool) -> None:
    monkeypatch.setattr(base, "LARGE_TABLE", 10 if large else 500_000)
    network, best = make(), BestWeights()
    for _ in range(3):
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(torch.randn_like(parameter))
        best.keep(network)
    kept = {name: value.clone() for name, value in network.state_dict().items()}
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    best.restore(network)
    for name, value in network.state_dict().items():
        assert torch.equal(value, kept[name])


def test_without_a_copy_nothing_changes() -> None:
    network = make()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    BestWeights().restore(network)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])
