"""The linearised supernet is exact where the supernet is linear, and wrong by little where it is not."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from autofi.space.head_config import ReadoutSizes
from autofi.supernet.inherited_scoring import Scorer
from autofi.supernet.supernet import Supernet
from autofi.supernet.surrogate import linear_losses
from tests.supernet.test_scoring import scorer_of
from tests.supernet.test_supernet import READOUTS, random_options, supernet

CANDIDATES = [tuple(random_options(seed)) for seed in range(20)]
REFERENCES = CANDIDATES[::7]
MLP = READOUTS[2]


def slow_losses(whole: Supernet, scorer: Scorer) -> torch.Tensor:
    """Candidate by candidate, from masked columns and the gradient of the whole read-out."""
    selected, readout = scorer.rows.selected, whole.readout
    assert readout.first is not None

    def output(options: tuple[int, ...]) -> torch.Tensor:
        return readout.first(whole.columns(selected, whole.path_mask(torch.tensor([options]), len(scorer))))

    slopes, logits, outputs = [], [], []
    for options in REFERENCES:
        inside = output(options).detach().requires_grad_()
        logit = readout.rest(inside)
        slopes.append(torch.autograd.grad(logit.sum(), inside)[0])
        logits.append(logit.detach())
        outputs.append(inside.detach())
    slope, logit, middle = (torch.stack(found).mean(0) for found in (slopes, logits, outputs))
    with torch.no_grad():
        found = torch.stack([logit + ((output(options) - middle) * slope).sum(1) for options in CANDIDATES])
    labels = scorer.rows.labels.expand_as(found)
    return nn.functional.binary_cross_entropy_with_logits(found, labels, reduction="none")


@pytest.mark.parametrize("readout", [*READOUTS[:2], ReadoutSizes("none", hidden=())], ids=lambda r: r.name)
@pytest.mark.parametrize("field_sum", [False, True])
def test_a_linear_supernet_is_met_exactly(readout: ReadoutSizes, field_sum: bool) -> None:
    scorer = scorer_of(supernet(readout, field_sum=field_sum))
    found = linear_losses(scorer, CANDIDATES, REFERENCES).float()
    torch.testing.assert_close(found, scorer.losses(CANDIDATES), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    "readout", [MLP, ReadoutSizes("mlp", hidden=(7, 5), members=3)], ids=["mlp", "members"]
)
@pytest.mark.parametrize("field_sum", [False, True])
def test_slopes_are_those_of_the_references(readout: ReadoutSizes, field_sum: bool) -> None:
    whole = supernet(readout, field_sum=field_sum)
    scorer = scorer_of(whole, dtype=torch.float32, budget=30_000)
    found = linear_losses(scorer, CANDIDATES, REFERENCES).float()
    torch.testing.assert_close(found, slow_losses(whole, scorer), rtol=1e-3, atol=1e-3)


def test_in_bfloat16_it_is_the_same_but_for_rounding() -> None:
    whole = supernet(MLP)
    found = linear_losses(scorer_of(whole, dtype=torch.bfloat16), CANDIDATES, REFERENCES).float()
    exact = linear_losses(scorer_of(whole, dtype=torch.float32), CANDIDATES, REFERENCES).float()
    assert float((found - exact).abs().mean()) < 0.02


def test_it_leaves_no_gradients_behind() -> None:
    whole = supernet(MLP)
    linear_losses(scorer_of(whole), CANDIDATES, REFERENCES)
    assert all(parameter.grad is None and parameter.requires_grad for parameter in whole.parameters())
