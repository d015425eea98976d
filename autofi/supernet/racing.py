"""Racing: the best of many architectures, scored on growing samples that lose those surely not among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from autofi.supernet.inherited_scoring import Options, Scorer
from autofi.supernet.surrogate import linear_losses

#: Standard errors by which a candidate must be worse than every one of the best so far to be dropped.
MARGIN = 3.0
#: Candidates around which the supernet is linearised.
REFERENCES = 4
#: Every sample is so many times the one before.
GROWTH = 2


@dataclass(frozen=True)
class Stage:
    """How many candidates were scored on how many rows in all."""

    rows: int
    candidates: int


@dataclass(frozen=True)
class Race:
    """The best candidates by their place in the list, best first, with their loglosses on all rows."""

    best: tuple[int, ...]
    losses: tuple[float, ...]
    stages: tuple[Stage, ...]

    @property
    def cost(self) -> float:
        """Rows scored, as a share of what scoring every candidate on every row would have been."""
        before = (0, *(stage.rows for stage in self.stages[:-1]))
        scored = sum(
            stage.candidates * (stage.rows - done) for stage, done in zip(self.stages, before, strict=True)
        )
        return scored / (self.stages[0].candidates * self.stages[-1].rows)


def race(
    scorer: Scorer,
    candidates: Sequence[Options],
    *,
    best: int = 10,
    first_blocks: int = 1,
    margin: float = MARGIN,
) -> Race:
    """The `best` of `candidates` by logloss on all rows of `scorer`.

    Each sample holds the rows of the one before. A candidate leaves when it is worse than each of the best so far by
    more than `margin` standard errors of their paired difference: for one of the truly best to leave, at least one of
    these comparisons must be that far off, since they cannot all be better than it. The error is that of a sample
    from these rows, not from all there could be: it shrinks to nothing as the sample grows to all of them.

    What is averaged over a sample is not the loss but how far it is from that of a linearised supernet (`surrogate`),
    whose mean over all rows is known: a control variate, with which a sample says as much as one many times as large
    without. Needs 2 bytes per candidate and row.
    """
    alive = torch.arange(len(candidates))
    seen = torch.empty(len(candidates), 0)
    linear = linear_losses(scorer, candidates, candidates[:: -(-len(candidates) // REFERENCES)]).cpu()
    known = linear.mean(1, dtype=torch.float64, keepdim=True).float()
    stages: list[Stage] = []
    done, upto = 0, min(first_blocks, len(scorer.blocks))
    while True:
        fresh = scorer.losses([candidates[number] for number in alive.tolist()], range(done, upto))
        adjusted = fresh.cpu() - linear[:, scorer.span(range(done, upto))] + known
        seen = torch.cat([seen, adjusted], 1)
        stages.append(Stage(seen.shape[1], len(alive)))
        if upto == len(scorer.blocks):
            break
        stays = ~surely_worse(seen, best, margin, len(scorer))
        alive, seen, linear, known = alive[stays], seen[stays], linear[stays], known[stays]
        done, upto = upto, min(upto * GROWTH, len(scorer.blocks))
    means = seen.double().mean(1)
    order = means.argsort(stable=True)[:best]
    return Race(tuple(alive[order].tolist()), tuple(means[order].tolist()), tuple(stages))


def surely_worse(losses: Tensor, best: int, margin: float, rows: int) -> Tensor:
    """Which candidates are worse than each of the `best` by `margin` standard errors, bool `[candidates]`.

    losses   `[candidates, n]`, on a sample of `rows` rows drawn without replacement
    """
    sample = losses.shape[1]
    means = losses.double().mean(1)
    leaders = means.argsort(stable=True)[:best]
    centred = losses - means.unsqueeze(1).float()
    variances = centred.square().sum(1)
    products = centred @ centred[leaders].T
    paired = (variances.unsqueeze(1) + variances[leaders] - 2 * products).clamp_min(0) / max(sample - 1, 1)
    errors = (paired.double() / sample * (1 - sample / rows)).sqrt()
    return (means.unsqueeze(1) - means[leaders] > margin * errors).all(1)
