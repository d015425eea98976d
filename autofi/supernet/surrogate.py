"""A network that is linear in every choice, next to a supernet: what it gets wrong varies far less than losses do."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from autofi.supernet.inherited_scoring import Options, Scorer


@torch.no_grad()
def linear_losses(scorer: Scorer, candidates: Sequence[Options], references: Sequence[Options]) -> Tensor:
    """Logloss of every candidate on every row by a linearised supernet, float16 `[candidates, N]`.

    The layers above the first are replaced, row by row, by their mean slope over the `references`, so that every
    chosen option adds a number of its own to the row's logit. That costs three scorings per reference and two more,
    and next to nothing per candidate. With four references, two random architectures' losses differ by a tenth of
    the deviation once this network's difference is subtracted.
    """
    layer = scorer.layer
    chosen = layer.shares_of(candidates).to(scorer.rows.labels.device)
    plans = [layer.between(None, layer.active(options)) for options in references]
    found = chosen.new_empty(len(candidates), len(scorer), dtype=torch.float16)
    for number in scorer.blocks:
        part = scorer.parts[number]
        for activations in scorer.activations(range(number, number + 1)):
            outputs = [layer.output(activations[number], *plan, None) for plan in plans]
            slope, logits = _mean_slope(scorer, outputs)
            mean_output = torch.stack(outputs).float().mean(0)
            shift = logits + ((layer.bias.float() - mean_output) * slope).sum(1)
            found[:, part] = scorer.row_losses(
                chosen @ layer.shares(activations[number], slope) + shift, part
            ).half()
    return found


def _mean_slope(scorer: Scorer, outputs: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """The mean gradient of the logit with respect to the first layer's output `[N, H]`, and the mean logit `[N]`."""
    slopes, logits = [], []
    for output in outputs:
        with torch.enable_grad():
            inside = output.detach().requires_grad_()
            logit = scorer.rest(inside)
            (slope,) = torch.autograd.grad(logit.sum(), inside)
        slopes.append(slope.float())
        logits.append(logit.detach())
    return torch.stack(slopes).mean(0), torch.stack(logits).mean(0)
